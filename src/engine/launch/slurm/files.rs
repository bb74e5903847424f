//! Takes files of a job into this run: outputs, pictures and the log.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use contract::files;
use slurm::JobFolder;

/// Largest part of a log that is copied, in bytes.
const MOST_LOG: u64 = 64 << 20;

/// Puts everything in the folder `from` into the folder `to`, which replaces what is there: links to files, new folders,
/// and copies of symbolic links. The files stay in `from`, because the driver may die before the result is recorded.
pub(super) fn link_all(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        store::remove(&target)?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir(&target)?;
            link_all(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if let Err(error) = fs::hard_link(&source, &target) {
            tracing::debug!("a file is copied, because it cannot be linked: {error}");
            files::copy(&source, &target)?;
        }
    }
    Ok(())
}

/// Links a picture of the latest start of a job into the folder `to`, under the same name.
pub(super) fn link_picture(folder: &JobFolder, name: &str, to: &Path) -> io::Result<()> {
    let started = folder.started().map_err(io::Error::other)?;
    let restart = started.map_or(0, |started| started.restart);
    let mut parts = Path::new(name).components();
    if !parts.all(|part| matches!(part, Component::Normal(_))) {
        let message = "its path leads out of the output folders";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let target = to.join(name);
    if let Some(parent) = target.parent() {
        files::create_folders(parent)?;
    }
    store::remove(&target)?;
    fs::hard_link(folder.outputs(restart).join(name), target)
}

/// Copies a growing log to the end of another file.
#[derive(Default)]
pub(super) struct LogCopy {
    path: PathBuf,
    /// Bytes that were copied.
    copied: u64,
}

impl LogCopy {
    /// Copies what is new in the log `from`.
    pub(super) fn copy(&mut self, from: &Path, to: &Path) {
        if self.path != from {
            *self = Self {
                path: from.to_owned(),
                copied: 0,
            };
        }
        let new = files::open(from).and_then(|mut log| {
            log.seek(SeekFrom::Start(self.copied))?;
            let mut new = Vec::new();
            let left = MOST_LOG.saturating_sub(self.copied);
            log.take(left).read_to_end(&mut new)?;
            Ok(new)
        });
        let Ok(new) = new else {
            return;
        };
        if new.is_empty() {
            return;
        }
        let written = files::open_with(to, File::options().create(true).append(true));
        match written.and_then(|mut to| io::Write::write_all(&mut to, &new)) {
            Ok(()) => self.copied += new.len() as u64,
            Err(error) => tracing::debug!("a log is not copied: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_linked_and_replace_what_is_there() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::create_dir_all(from.join("model/deep")).unwrap();
        fs::create_dir_all(to.join("model")).unwrap();
        fs::write(from.join("model/deep/a"), "a").unwrap();
        std::os::unix::fs::symlink("a", from.join("model/link")).unwrap();
        fs::write(to.join("model/old"), "old").unwrap();
        for _ in 0..2 {
            link_all(&from, &to).unwrap();
            assert_eq!(fs::read(to.join("model/deep/a")).unwrap(), b"a");
            assert_eq!(
                fs::read_link(to.join("model/link")).unwrap(),
                Path::new("a")
            );
            assert!(!to.join("model/old").exists());
        }
        assert!(from.join("model/deep/a").exists());
    }

    #[test]
    fn a_growing_log_is_copied_once() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("log"), root.path().join("copy"));
        let mut log = LogCopy::default();
        log.copy(&from, &to);
        for text in ["one\n", "one\ntwo\n", "one\ntwo\n"] {
            fs::write(&from, text).unwrap();
            log.copy(&from, &to);
        }
        // Another attempt has a log of its own.
        let second = root.path().join("second");
        fs::write(&second, "three\n").unwrap();
        log.copy(&second, &to);
        assert_eq!(fs::read_to_string(&to).unwrap(), "one\ntwo\nthree\n");
    }
}
