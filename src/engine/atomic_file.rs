//! Writes files that exist completely or not at all.

use std::fs::{self, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Writes the content that `fill` provides to `file`. If `file` exists, its mode is kept; otherwise the umask
/// determines the mode.
pub fn write(
    file: &Path,
    prefix: &str,
    flush: Flush,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut fresh = create_beside(file, prefix)?;
    let mut buffer = BufWriter::new(fresh.as_file_mut());
    fill(&mut buffer)?;
    buffer.flush()?;
    drop(buffer);
    match fs::metadata(file) {
        Ok(replaced) => fresh.as_file().set_permissions(replaced.permissions())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if flush == Flush::BeforeRename {
        fresh.as_file().sync_all()?;
    }
    fresh.persist(file)?;
    Ok(())
}

/// Time at which a file is flushed to disk. If that is before it gets its name, a power failure leaves no empty file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    BeforeRename,
    No,
}

/// Follows links to the regular file that a path from the user means. The file need not exist, but the links must lead
/// somewhere.
///
/// # Errors
/// If the path means a folder, or a device, a FIFO or a socket: [`write`] would replace it with a file.
pub fn destination(file: &Path) -> io::Result<PathBuf> {
    if file.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let file = match fs::symlink_metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(file.to_owned()),
        Err(error) => return Err(error),
        Ok(found) if found.is_symlink() => fs::canonicalize(file)?,
        Ok(_) => file.to_owned(),
    };
    let found = fs::metadata(&file)?;
    if found.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(file)
}

/// Creates a temporary file in the folder of `file`. Others can read it as far as the umask allows.
pub fn create_beside(file: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let folder = file.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new("."));
    let created = tempfile::Builder::new()
        .prefix(prefix)
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder);
    created.map_err(|error| {
        // tempfile adds the path of the temporary file, which the user does not know.
        let text = error.to_string();
        match text.split_once(" at path ") {
            Some((cause, _)) => io::Error::new(error.kind(), cause),
            None => error,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(file: &Path) -> u32 {
        fs::metadata(file).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_file_gets_the_default_mode_and_a_replaced_file_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let [file, other] = ["file", "other"].map(|name| folder.path().join(name));
        let put = |text: &str| {
            write(&file, ".tmp-", Flush::No, |to| {
                to.write_all(text.as_bytes())
            })
            .unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        };
        put("one");
        fs::write(&other, "").unwrap();
        assert_eq!(mode(&file), mode(&other));
        for kept in [0o600, 0o640, 0o664] {
            fs::set_permissions(&file, Permissions::from_mode(kept)).unwrap();
            put("two");
            assert_eq!(mode(&file), kept);
        }
    }

    #[test]
    fn links_are_followed_and_only_regular_files_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "").unwrap();
        fs::create_dir(at("folder")).unwrap();
        let links = [
            ("link", "file"),
            ("dangling", "nothing"),
            ("loop", "loop"),
            ("device", "/dev/null"),
            ("to-folder", "folder"),
        ];
        for (link, target) in links {
            symlink(target, at(link)).unwrap();
        }
        let meant = fs::canonicalize(at("file")).unwrap();
        assert_eq!(destination(&at("link")).unwrap(), meant);
        for good in ["file", "new"] {
            assert_eq!(destination(&at(good)).unwrap(), at(good));
        }
        for bad in ["folder", "new/", "dangling", "loop", "device", "to-folder"] {
            destination(&at(bad)).unwrap_err();
        }
    }

    #[test]
    fn an_error_does_not_name_the_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        for missing in ["file/x", "nothing/x"] {
            let error = create_beside(&folder.path().join(missing), ".tmp-").unwrap_err();
            assert!(!error.to_string().contains(".tmp-"), "{error}");
        }
    }

    #[test]
    fn a_failed_write_leaves_only_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "old").unwrap();
        write(&file, ".tmp-", Flush::No, |to| {
            to.write_all(b"half")?;
            Err(io::Error::other("no more"))
        })
        .unwrap_err();
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
