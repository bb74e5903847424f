//! Kernel locks on files, exclusive or shared, which end with their process.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use contract::{ShowPath, files};

/// Opens a file to lock it with `flock`, and creates it if it does not exist.
///
/// A file of another user that is only readable works too: `flock` does not require write permission.
pub(super) fn open(path: &Path) -> io::Result<File> {
    match open_to_write(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            files::open_unlinked(path).map_err(|_| error)
        }
        opened => opened,
    }
}

/// Opens a file to lock byte ranges of it, which requires write permission. Creates it if it does not exist.
/// A FIFO or a link in its place cannot be locked and is replaced.
pub(super) fn open_to_write(path: &Path) -> io::Result<File> {
    let open = || {
        let mut options = File::options();
        files::open_with(path, options.create(true).truncate(false).write(true))
    };
    match open() {
        Err(error) if files::is_unfit(&error) => {
            tracing::warn!("`{}` is replaced: {error}", path.shown());
            fs::remove_file(path).map_err(|_| error)?;
            open()
        }
        opened => opened,
    }
}

/// Returns whether `try_lock` took the lock.
pub(super) fn locked(result: Result<(), TryLockError>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Opens the file at `path`, whose last holder may remove it, and locks it with `take`. Returns `None`
/// if `take` returns `false`.
pub(super) fn acquire(
    path: &Path,
    take: impl Fn(&File) -> io::Result<bool>,
) -> io::Result<Option<File>> {
    loop {
        let lock = open(path)?;
        if !take(&lock)? {
            return Ok(None);
        }
        let ours = lock.metadata()?;
        match fs::metadata(path) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {
                return Ok(Some(lock));
            }
            // The file was removed after it was opened and before it was locked. `path` is another file now.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns whether no process holds a lock on the file at `path`. A missing file counts as free.
pub(super) fn is_free(path: &Path) -> io::Result<bool> {
    match files::open_unlinked(path) {
        Ok(lock) => locked(lock.try_lock()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}
