//! Copies pictures that a running stage shows into the run's folder, where pages find them. They are no results.

use std::io;
use std::path::{Component, Path, PathBuf};

use contract::files;

use crate::atomic_file::{self, Flush};
use store::component;

/// Size limit of a picture, in bytes.
pub const MOST_PICTURE: u64 = 16 << 20;
/// Prefix of the names of files before they are renamed.
const FRESH: &str = ".tmp-";

/// Returns the path of the newest picture that a stage showed while it ran, in the folder of a run.
pub fn picture_file(run: &Path, name: &str) -> PathBuf {
    run.join(format!("{}.png", component(name)))
}

/// Copies the file `name` below `staging`, and replaces an earlier picture.
pub(super) fn copy(staging: &Path, name: &str, to: &Path) -> io::Result<()> {
    let mut parts = Path::new(name).components();
    if !parts.all(|part| matches!(part, Component::Normal(_))) {
        let message = "its path leads out of the output folders";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let bytes = files::read_unlinked(&staging.join(name), MOST_PICTURE)?;
    atomic_file::write(to, FRESH, Flush::No, |file| file.write_all(&bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_files_in_the_output_folders_are_copied() {
        let root = tempfile::tempdir().unwrap();
        let staging = root.path().join("staging");
        fs::create_dir_all(staging.join("figure")).unwrap();
        fs::write(staging.join("figure/a.png"), "new").unwrap();
        fs::write(root.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(root.path().join("secret"), staging.join("link")).unwrap();
        let to = picture_file(root.path(), "gan[a/b]");
        assert_eq!(to.parent(), Some(root.path()));
        fs::write(&to, "old").unwrap();
        for name in [
            "../secret",
            "figure/../../secret",
            "/etc/passwd",
            "link",
            "none",
            "figure",
        ] {
            copy(&staging, name, &to).unwrap_err();
        }
        assert_eq!(fs::read(&to).unwrap(), b"old");
        copy(&staging, "figure/a.png", &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"new");
    }
}
