//! The right to fill a miss: a kernel lock, held by one at a time, gone with its process.

use std::fs::{self, File};
use std::path::PathBuf;

use super::inventory::entries;
use super::{Error, Key, Store, lock};

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
        let take = |lock: &File| lock.lock().map(|()| true);
        loop {
            if let Some(lease) = self.take_lease(key, take)? {
                return Ok(lease);
            }
        }
    }

    /// Takes the lease on `key` unless another holds it.
    pub fn try_lease(&self, key: &Key) -> Result<Option<Lease>, Error> {
        self.take_lease(key, |lock| lock::locked(lock.try_lock()))
    }

    fn take_lease(
        &self,
        key: &Key,
        take: impl Fn(&File) -> std::io::Result<bool>,
    ) -> Result<Option<Lease>, Error> {
        let path = self.home.join("leases").join(key.to_string());
        self.make_way(&path)?;
        let lock = lock::acquire(&path, take).map_err(Error::io("lock", &path))?;
        Ok(lock.map(|lock| Lease { path, _lock: lock }))
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
}

impl Drop for Lease {
    /// Removes the file while the lock is still held; whoever waits on it sees that and starts over.
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(file = %self.path.display(), %error, "lease file was not removed");
        }
    }
}
