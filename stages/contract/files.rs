//! Opens and reads files by path.
//!
//! Everything that is read by path goes through this module (`clippy.toml` forbids the standard library's
//! functions). A path from outside may lead to a FIFO, which blocks its reader forever, to a device, or to a
//! sparse file of terabytes. A [`Folder`](super::Folder) reads below a folder that is already open.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, fsync, openat};

/// Size limit, in bytes, of text that people or programs write: a document, a table, a record, a JSON file.
pub const MOST_TEXT: u64 = 64 << 20;

/// Size limit, in bytes, of a file of tensors: weights, or the state of a training.
pub const MOST_TENSORS: u64 = 16 << 30;

/// Size limit, in bytes, of an image file.
pub const MOST_IMAGE: u64 = 512 << 20;

/// Opens the regular file at `path` for reading. A symbolic link is followed.
///
/// # Errors
/// If the file does not exist or is not a regular file. Other kinds of files are not opened, because that could
/// block or act on a device.
pub fn open(path: &Path) -> io::Result<File> {
    // Checked before opening, because opening a device can change it.
    check(fs::metadata(path)?.file_type())?;
    let (file, _) = open_flagged(path, File::options().read(true), OFlags::empty())?;
    Ok(file)
}

/// Like [`open`], but the last name of `path` must not be a symbolic link.
///
/// # Errors
/// As for [`open`], and for a symbolic link.
pub fn open_unlinked(path: &Path) -> io::Result<File> {
    open_with(path, File::options().read(true))
}

/// Opens a regular file. Returns its length as well.
#[expect(clippy::disallowed_methods, reason = "the one place that opens files")]
fn open_flagged(path: &Path, options: &mut OpenOptions, flags: OFlags) -> io::Result<(File, u64)> {
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = options
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    check(metadata.file_type())?;
    Ok((file, metadata.len()))
}

/// Opens the regular file at `path` with `options`, which may create it. A symbolic link is not followed.
///
/// # Errors
/// As for [`open_unlinked`]. A FIFO is an error at once: the call does not wait for its other end.
pub fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let (file, _) = open_measured(path, options)?;
    Ok(file)
}

/// Like [`open_with`], but returns the file's length as well.
fn open_measured(path: &Path, options: &mut OpenOptions) -> io::Result<(File, u64)> {
    open_flagged(path, options, OFlags::NOFOLLOW).map_err(|error| {
        // Names the kind of file that is there instead of the system's error, which for a FIFO opened for
        // writing is "no such device".
        let found = fs::symlink_metadata(path).map(|found| check(found.file_type()));
        match found {
            Ok(Err(unfit)) => unfit,
            Ok(Ok(())) | Err(_) => error,
        }
    })
}

/// Returns whether something exists at `path` for which `is_right` returns true. A symbolic link is not followed.
///
/// # Errors
/// If `path` cannot be examined. (`Path::exists` reports that as absence.)
pub fn is(path: &Path, is_right: impl Fn(&Metadata) -> bool) -> io::Result<bool> {
    holds(fs::symlink_metadata(path), is_right)
}

/// Like [`is`], but follows a symbolic link.
///
/// # Errors
/// As for [`is`].
pub fn leads_to(path: &Path, is_right: impl Fn(&Metadata) -> bool) -> io::Result<bool> {
    holds(fs::metadata(path), is_right)
}

/// Returns whether anything exists at `path`. A dangling link counts.
///
/// # Errors
/// As for [`is`].
pub fn exists(path: &Path) -> io::Result<bool> {
    is(path, |_| true)
}

fn holds(found: io::Result<Metadata>, is_right: impl Fn(&Metadata) -> bool) -> io::Result<bool> {
    match found {
        Ok(metadata) => Ok(is_right(&metadata)),
        Err(error) if is_absence(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns whether an error means that a file does not exist, rather than that it cannot be examined.
pub fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Flushes the file or folder at `path` to disk. A rename survives a power failure once its folder is
/// flushed.
///
/// # Errors
/// If it does not exist or cannot be flushed.
pub fn sync(path: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(fsync(openat(CWD, path, flags, Mode::empty())?)?)
}

/// Creates the folder at `path` and its missing parents.
///
/// # Errors
/// If a folder cannot be created, or if something else is in its place.
pub fn create_folders(path: &Path) -> io::Result<()> {
    match fs::create_dir_all(path) {
        // A folder that cannot be examined gives this error too. The second look then returns the cause.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            match fs::metadata(path)?.is_dir() {
                true => Ok(()),
                false => Err(error),
            }
        }
        made => made,
    }
}

/// Reads the regular file at `path`, of at most `most` bytes. A symbolic link is followed.
///
/// # Errors
/// As for [`open`], and if the file is larger.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_open(&open(path)?, most)
}

/// Like [`read`], but the last name of `path` must not be a symbolic link.
///
/// # Errors
/// As for [`read`], and for a symbolic link.
pub fn read_unlinked(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, length) = open_measured(path, File::options().read(true))?;
    read_measured(&file, length, most)
}

/// Like [`read`], but returns text.
///
/// # Errors
/// As for [`read`], and if the file is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let text = String::from_utf8(read(path, most)?);
    text.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}

/// Reads a file below `/proc` or `/sys`.
///
/// # Errors
/// As for [`read_text`].
pub fn system_text(path: impl AsRef<Path>) -> io::Result<String> {
    read_text(path.as_ref(), MOST_TEXT)
}

/// Reads the rest of an open file, of at most `most` bytes.
///
/// # Errors
/// If the file is larger. Nothing is read if its length already shows that.
pub fn read_open(file: &File, most: u64) -> io::Result<Vec<u8>> {
    read_measured(file, file.metadata()?.len(), most)
}

fn read_measured(mut file: &File, length: u64, most: u64) -> io::Result<Vec<u8>> {
    let too_large = || {
        let message = format!("it is larger than {} MiB", most >> 20);
        io::Error::new(io::ErrorKind::FileTooLarge, message)
    };
    if length > most {
        return Err(too_large());
    }
    // One byte more than the length, so that the end is found without growing the buffer.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1);
    file.by_ref().take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(too_large());
    }
    Ok(bytes)
}

/// Copies the regular file at `from` to `to`, including its permissions.
///
/// # Errors
/// As for [`open`], and if `to` cannot be written.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut original = open(from)?;
    let permissions = original.metadata()?.permissions();
    let mut copy = File::create(to)?;
    io::copy(&mut original, &mut copy)?;
    copy.set_permissions(permissions)
}

/// Returns whether an error was caused by a file that is not regular or that is too large.
pub fn is_unfit(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::FileTooLarge
        || error
            .get_ref()
            .is_some_and(|inner| inner.is::<NotRegular>())
}

/// Error for a file that is not regular.
#[derive(Debug, thiserror::Error)]
#[error("it is {0}, not a regular file")]
struct NotRegular(&'static str);

/// Checks that a file is regular.
///
/// # Errors
/// If the file is not regular. The error names its kind.
pub fn check(kind: FileType) -> io::Result<()> {
    let name = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    let kind = if kind.is_dir() {
        io::ErrorKind::IsADirectory
    } else {
        io::ErrorKind::InvalidInput
    };
    Err(io::Error::new(kind, NotRegular(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    use rustix::fs::{FileType as Kind, mknodat};

    fn folder_with_everything() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("file"), "content").unwrap();
        fs::create_dir(path.join("folder")).unwrap();
        mknodat(CWD, path.join("fifo"), Kind::Fifo, Mode::RWXU, 0).unwrap();
        std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap();
        for (link, target) in [("link", "file"), ("to-fifo", "fifo"), ("gone", "nowhere")] {
            symlink(target, path.join(link)).unwrap();
        }
        folder
    }

    fn outcome(result: io::Result<impl Sized>) -> String {
        match result {
            Ok(_) => "opened".to_owned(),
            Err(error) if is_unfit(&error) => error.to_string(),
            Err(error) => format!("{:?}", error.kind()),
        }
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = folder_with_everything();
        let of = |name: &str| {
            let path = folder.path().join(name);
            (outcome(open(&path)), outcome(open_unlinked(&path)))
        };
        let same = |text: &str| (text.to_owned(), text.to_owned());
        assert_eq!(of("file"), same("opened"));
        assert_eq!(of("folder"), same("it is a folder, not a regular file"));
        assert_eq!(of("fifo"), same("it is a FIFO, not a regular file"));
        assert_eq!(of("socket"), same("it is a socket, not a regular file"));
        let link = "it is a symbolic link, not a regular file".to_owned();
        assert_eq!(of("link"), ("opened".to_owned(), link.clone()));
        let fifo = "it is a FIFO, not a regular file".to_owned();
        assert_eq!(of("to-fifo"), (fifo, link.clone()));
        assert_eq!(of("gone"), ("NotFound".to_owned(), link));
        assert_eq!(of("missing"), same("NotFound"));
        let null = outcome(open(Path::new("/dev/null")));
        assert_eq!(null, "it is a device, not a regular file");
    }

    #[test]
    fn only_regular_files_are_written_to() {
        let folder = folder_with_everything();
        let of = |name: &str| {
            let mut options = File::options();
            options.create(true).append(true);
            outcome(open_with(&folder.path().join(name), &mut options))
        };
        assert_eq!(of("file"), "opened");
        assert_eq!(of("new"), "opened");
        assert_eq!(of("folder"), "it is a folder, not a regular file");
        assert_eq!(of("fifo"), "it is a FIFO, not a regular file");
        assert_eq!(of("socket"), "it is a socket, not a regular file");
        assert_eq!(of("link"), "it is a symbolic link, not a regular file");
        // If nothing is at the path and the file cannot be created, the system's error is returned.
        let mut options = File::options();
        options.create(true).write(true);
        let refused = open_with(&folder.path().join("n".repeat(300)), &mut options).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidFilename);
    }

    #[test]
    fn a_path_that_cannot_be_accessed_is_not_reported_as_missing() {
        let folder = folder_with_everything();
        let path = folder.path();
        symlink(path.join("circle"), path.join("circle")).unwrap();
        let long = path.join("n".repeat(300));
        assert!(leads_to(&path.join("link"), Metadata::is_file).unwrap());
        assert!(is(&path.join("link"), Metadata::is_symlink).unwrap());
        assert!(!leads_to(&path.join("folder"), Metadata::is_file).unwrap());
        for missing in ["missing", "file/below", "gone/below"] {
            assert!(!exists(&path.join(missing)).unwrap(), "{missing}");
        }
        assert!(exists(&path.join("gone")).unwrap());
        assert!(!leads_to(&path.join("gone"), |_| true).unwrap());
        for refused in [
            leads_to(&path.join("circle"), |_| true),
            exists(&path.join("circle/below")),
            exists(&long),
        ] {
            assert!(!is_absence(&refused.unwrap_err()));
        }
    }

    #[test]
    fn no_more_than_the_cap_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, [7; 100]).unwrap();
        assert_eq!(read(&path, 100).unwrap(), [7; 100]);
        assert!(is_unfit(&read(&path, 99).unwrap_err()));
        let sparse = File::create(&path).unwrap();
        sparse.set_len(1 << 42).unwrap();
        assert!(is_unfit(&read(&path, MOST_TENSORS).unwrap_err()));
        // A system file that reports a length of 0.
        assert!(read(Path::new("/proc/self/status"), 16).is_err());
    }

    #[test]
    fn text_that_is_not_utf8_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"\xff\xfe").unwrap();
        let error = read_text(&path, 10).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
