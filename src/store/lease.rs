//! The right to fill a miss: a kernel lock, held by one at a time, gone with its process.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::inventory::entries;
use super::{Error, Key, Store};

/// Held while an action is made; released on drop, or by the kernel when the process ends.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    _lock: File,
}

impl Store {
    /// Takes the lease on `key`, waiting for whoever holds it, in this process or another. Look the
    /// key up again afterwards: the other will most likely have filled the miss.
    pub fn lease(&self, key: &Key) -> Result<Lease, Error> {
        let path = self.lease_path(key)?;
        let take = |lock: &File| lock.lock().map(|()| true);
        loop {
            if let Some(lease) = acquire(&path, take).map_err(Error::io("lock", &path))? {
                return Ok(lease);
            }
        }
    }

    /// Takes the lease on `key` unless another holds it.
    pub fn try_lease(&self, key: &Key) -> Result<Option<Lease>, Error> {
        let path = self.lease_path(key)?;
        loop {
            let mut busy = false;
            let take = |lock: &File| match lock.try_lock() {
                Ok(()) => Ok(true),
                Err(TryLockError::WouldBlock) => {
                    busy = true;
                    Ok(false)
                }
                Err(TryLockError::Error(error)) => Err(error),
            };
            let lease = acquire(&path, take).map_err(Error::io("lock", &path))?;
            if lease.is_some() || busy {
                return Ok(lease);
            }
        }
    }

    /// Removes the lease files that killed processes left.
    pub(super) fn remove_free_leases(&self) -> Result<(), Error> {
        for entry in entries(&self.home.join("leases"))? {
            let name = entry.path.file_name().unwrap_or_default().to_string_lossy();
            if let Ok(key) = name.parse::<Key>() {
                // It is removed when it is let go.
                drop(self.try_lease(&key)?);
            }
        }
        Ok(())
    }

    fn lease_path(&self, key: &Key) -> Result<PathBuf, Error> {
        let path = self.home.join("leases").join(key.to_string());
        // Nothing to be locked, and not the store's.
        if fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            self.set_aside(&path)?;
        }
        Ok(path)
    }
}

/// One attempt. `None` if `take` did not lock the file, or if the file that was locked is no longer
/// the one at `path`: the last holder removed it between our opening and our locking.
fn acquire(path: &Path, take: impl FnOnce(&File) -> io::Result<bool>) -> io::Result<Option<Lease>> {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    if !take(&lock)? {
        return Ok(None);
    }
    let ours = lock.metadata()?;
    match fs::metadata(path) {
        Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => Ok(Some(Lease {
            path: path.to_owned(),
            _lock: lock,
        })),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Drop for Lease {
    /// Removes the file while the lock is still held; whoever waits on it sees that and starts over.
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(file = %self.path.display(), %error, "lease file was not removed");
        }
    }
}
