//! What keeps the collector away: a lock that everyone else shares.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::files::{self, Found};
use super::inventory::entries;
use super::lock::locked;
use super::sealed::{seal, unseal};
use super::{Error, Store, lock, session};
use crate::keys::Key;

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

/// The runs that go on.
#[derive(Clone, Debug)]
pub struct Living {
    /// The names of their folders.
    pub runs: BTreeSet<String>,
    /// Whether there are no others: every living process could be asked.
    pub are_all_known: bool,
}

impl Default for Living {
    fn default() -> Self {
        Self {
            runs: BTreeSet::new(),
            are_all_known: true,
        }
    }
}

impl Living {
    /// Whether a run goes on that did not say that it has ended.
    pub fn may_contain(&self, run: &str) -> bool {
        !self.are_all_known || self.runs.contains(run)
    }
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
    ///
    /// # Errors
    /// If one of them cannot be asked: nobody may collect anything then.
    pub(super) fn needs(&self) -> Result<Vec<Needs>, Error> {
        let living = self.living()?;
        living.into_iter().filter_map(Result::transpose).collect()
    }

    /// The runs that go on, as far as that can be told.
    pub fn living_runs(&self) -> Living {
        let mut found = Living::default();
        let living = self.living().unwrap_or_else(|error| vec![Err(error)]);
        for needs in living {
            match needs {
                Ok(needs) => found.runs.extend(needs.map(|needs| needs.run)),
                Err(error) => {
                    tracing::debug!(%error, "a process that cannot be asked what it runs");
                    found.are_all_known = false;
                }
            }
        }
        found
    }

    /// What each living process needs; `None` of one that has not said, and so cannot rely on anything
    /// but under a guard.
    fn living(&self) -> Result<Vec<Result<Option<Needs>, Error>>, Error> {
        let sessions = entries(&self.home.join("tmp"))?.into_iter();
        // Beside the folders of processes there is a lock.
        let living =
            sessions.filter(|session| session.kind.is_dir() && !session::is_dead(&session.path));
        Ok(living.map(|session| needs_of(&session.path)).collect())
    }

    /// Waits until nothing is being collected.
    pub fn guard(&self) -> Result<Guard, Error> {
        let lock = match self.collector_lock() {
            // Who cannot write cannot keep a collector away, and only looks.
            Err(Error::Io { source, path, .. }) if is_read_only(&source, &path) => None,
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

/// Whether `error` says that the lock at `path` cannot be made. One that is there and closed to us is
/// another matter: others may hold it.
fn is_read_only(error: &io::Error, path: &Path) -> bool {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => true,
        io::ErrorKind::PermissionDenied => files::exists(path).is_ok_and(|is_there| !is_there),
        _ => false,
    }
}

fn needs_of(session: &Path) -> Result<Option<Needs>, Error> {
    let path = session.join(NEEDS);
    match files::read(&path).map_err(Error::io("read", &path))? {
        Found::Bytes(bytes) => match unseal(&bytes) {
            Ok(needs) => Ok(Some(needs)),
            Err(_) => Err(Error::Unreadable { path }),
        },
        Found::Nothing => Ok(None),
        Found::Foreign => Err(Error::Unreadable { path }),
    }
}
