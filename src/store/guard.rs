//! What keeps the collector away: a lock that everyone else shares.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::inventory::entries;
use super::lock::locked;
use super::sealed::{seal, unseal};
use super::{Error, Key, Store, lock, session};

/// While it is held nothing is collected. Held where something in the store is relied upon, or made,
/// that nothing protects yet: from planning until the run has said what it needs, and from the first
/// blob of an output until the record that names it.
#[derive(Debug)]
pub struct Guard {
    lock: Option<File>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Closing it is not enough: a process that is being started has it open too, for a moment.
        if let Some(lock) = &self.lock {
            let _ = lock.unlock();
        }
    }
}

/// The file in a process' own folder that says what it needs.
const NEEDS: &str = "needs.json";

/// How long a collector waits for those who hold guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// As long as it takes to keep a result, not to read the sources of a pipeline.
    Short,
    Endless,
}

/// A short wait, and how often it looks.
const SHORT: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);

/// What a running run needs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Needs {
    /// Its folder's name.
    pub run: String,
    /// Action keys of the records that it found or will make.
    pub keys: Vec<Key>,
}

impl Store {
    /// Says what this process needs for as long as it lives.
    pub fn need(&self, needs: &Needs) -> Result<(), Error> {
        let session = self.session()?;
        let bytes = seal(needs).map_err(|source| Error::Serialise {
            what: "what a run needs",
            source,
        })?;
        session.write_durably(&session.path().join(NEEDS), &bytes)
    }

    /// What living processes need.
    pub(super) fn needs(&self) -> Result<Vec<Needs>, Error> {
        let mut needs = Vec::new();
        for session in entries(&self.home.join("tmp"))? {
            if session::is_dead(&session.path) {
                continue;
            }
            match fs::read(session.path.join(NEEDS)) {
                Ok(bytes) => needs.push(unseal(&bytes).map_err(|_| Error::Unreadable {
                    path: session.path.join(NEEDS),
                })?),
                // It has not said, and so cannot rely on anything but under a guard.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("read", &session.path)(error)),
            }
        }
        Ok(needs)
    }

    /// The names of the runs that go on, as far as can be told: whoever only looks loses nothing by one
    /// that cannot be read.
    pub fn living_runs(&self) -> BTreeSet<String> {
        let needs = self.needs().unwrap_or_else(|error| {
            tracing::debug!(%error, "what goes on is not known");
            Vec::new()
        });
        needs.into_iter().map(|needs| needs.run).collect()
    }

    /// Waits until nothing is being collected.
    pub fn guard(&self) -> Result<Guard, Error> {
        let lock = match self.collector_lock() {
            // Who cannot write cannot keep a collector away, and only looks.
            Err(Error::Io { source, .. }) if is_read_only(&source) => None,
            other => Some(other?),
        };
        if let Some(lock) = &lock {
            lock.lock_shared().map_err(Error::io("lock", &self.home))?;
        }
        Ok(Guard { lock })
    }

    /// The collector's side: waits until nobody holds a guard, and lets nobody have one meanwhile.
    pub(super) fn exclude(&self, patience: Patience) -> Result<Guard, Error> {
        let lock = self.collector_lock()?;
        let refused = |error| Error::io("lock", &self.home)(error);
        let give_up = Instant::now() + SHORT;
        match patience {
            Patience::Endless => lock.lock().map_err(refused)?,
            Patience::Short => {
                while !locked(lock.try_lock()).map_err(refused)? {
                    if Instant::now() > give_up {
                        return Err(Error::Busy);
                    }
                    thread::sleep(POLL);
                }
            }
        }
        Ok(Guard { lock: Some(lock) })
    }

    fn collector_lock(&self) -> Result<File, Error> {
        let path = self.home.join("collector.lock");
        self.make_way(&path)?;
        lock::open(&path).map_err(Error::io("open", &path))
    }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
    )
}
