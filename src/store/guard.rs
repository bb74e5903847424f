//! What keeps the collector away: a lock that everyone else shares.

use std::fs::File;

use super::sealed::seal;
use super::session::open_lock;
use super::{Error, Key, Store};

/// While it is held nothing is collected. Held where something in the store is relied upon, or made,
/// that nothing protects yet: from planning until the run has said what it needs, and from the first
/// blob of an output until the record that names it.
#[derive(Debug)]
pub struct Guard {
    _lock: File,
}

/// The file in a process' own folder that says what it needs.
pub(super) const NEEDS: &str = "needs.json";

impl Store {
    /// Says that this process needs the records under `keys` for as long as it lives, those that it
    /// will make included.
    pub fn need(&self, keys: &[Key]) -> Result<(), Error> {
        let session = self.session()?;
        let bytes = seal(&keys).map_err(|source| Error::Serialise {
            what: "what a run needs",
            source,
        })?;
        session.write(&session.path().join(NEEDS), &bytes)
    }

    /// Waits until nothing is being collected.
    pub fn guard(&self) -> Result<Guard, Error> {
        let lock = self.collector_lock()?;
        lock.lock_shared().map_err(Error::io("lock", &self.home))?;
        Ok(Guard { _lock: lock })
    }

    /// The collector's side: waits until nobody holds a guard, and lets nobody have one meanwhile.
    pub(super) fn exclude(&self) -> Result<Guard, Error> {
        let lock = self.collector_lock()?;
        lock.lock().map_err(Error::io("lock", &self.home))?;
        Ok(Guard { _lock: lock })
    }

    fn collector_lock(&self) -> Result<File, Error> {
        let path = self.home.join("collector.lock");
        open_lock(&path).map_err(Error::io("open", &path))
    }
}
