//! Locks of the kernel on files: held by one process or shared, gone with their process.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use contract::files;

/// Opens a file to lock it with `flock`, making it where it is not there.
///
/// A file of another user that may only be read can be locked as well: `flock` asks for no right to
/// write.
pub fn open(path: &Path) -> io::Result<File> {
    match open_to_write(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            files::open_unlinked(path).map_err(|_| error)
        }
        opened => opened,
    }
}

/// Opens a file to lock bytes of it, for which it must be writable; makes it if it does not exist. A FIFO or a
/// link in its place holds no lock, and is replaced.
pub fn open_to_write(path: &Path) -> io::Result<File> {
    let open = || {
        let mut options = File::options();
        files::open_with(path, options.create(true).truncate(false).write(true))
    };
    match open() {
        Err(error) if files::is_unfit(&error) => {
            tracing::warn!("`{}` is replaced, as {error}", path.display());
            fs::remove_file(path).map_err(|_| error)?;
            open()
        }
        opened => opened,
    }
}

/// What `try_lock` says: whether it locked.
pub fn locked(result: Result<(), TryLockError>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Locks the file at `path`, which its last holder may remove, by `take`. `None` if that did not lock
/// it.
pub fn acquire(path: &Path, take: impl Fn(&File) -> io::Result<bool>) -> io::Result<Option<File>> {
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
            // Removed between our opening and our locking: another file is the lock now.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether nobody holds a lock on the file at `path`. A file that is not there is held by nobody.
pub fn is_free(path: &Path) -> io::Result<bool> {
    match files::open_unlinked(path) {
        Ok(lock) => locked(lock.try_lock()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}
