//! The guard that keeps the collector away: a lock that all other users of the store share.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::files::{self, Found};
use super::inventory::entries;
use super::lock::locked;
use super::sealed::{seal, unseal};
use super::{Error, Owner, Store, lock, session};
use crate::keys::Key;

/// While a guard is held, nothing is collected. A process holds one while it uses or makes something in the store
/// that nothing else protects yet: from planning until the run has recorded its needs, and from the first blob of an
/// output until the record that names it.
#[derive(Debug)]
pub struct Guard {
    lock: Option<File>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that is just being started still
        // has it open for a moment.
        if let Some(lock) = &self.lock {
            let _ = lock.unlock();
        }
    }
}

/// File in a process's own folder that lists what the process needs.
const NEEDS: &str = "needs.json";

/// Time that a collector waits for the processes that hold guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Long enough for a result to be stored, but not for the sources of a pipeline to be read.
    Short,
    Endless,
}

/// Length of a short wait, and the interval between its attempts.
const SHORT: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);

/// Needs of a run in progress.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Needs {
    /// Name of its folder.
    pub run: String,
    /// Action keys of the records that it found or will make.
    pub keys: Vec<Key>,
}

/// Content of the file with a process's needs.
#[derive(Serialize, Deserialize)]
struct OwnedNeeds {
    #[serde(flatten)]
    needs: Needs,
    /// The process; `None` if an older version of runner wrote the file.
    owner: Option<Owner>,
}

/// The runs in progress.
#[derive(Clone, Debug)]
pub struct Living {
    /// Names of their folders.
    pub runs: BTreeSet<String>,
    /// `true` if `runs` is complete: the needs of every living process could be read.
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
    /// Returns whether a run that has not recorded its end may still be in progress.
    pub fn may_contain(&self, run: &str) -> bool {
        !self.are_all_known || self.runs.contains(run)
    }
}

impl Store {
    /// Records what this process needs for as long as it lives.
    pub fn need(&self, needs: &Needs) -> Result<(), Error> {
        let session = self.session()?;
        let file = OwnedNeeds {
            needs: needs.clone(),
            owner: Some(Owner::current()),
        };
        let bytes = seal(&file).map_err(|source| Error::Serialize {
            what: "what a run needs",
            source,
        })?;
        session.write_durably(&session.path().join(NEEDS), &bytes)
    }

    /// Returns what the living processes need.
    ///
    /// # Errors
    /// If the needs of one of them cannot be read. Nothing may be collected then.
    pub(super) fn needs(&self) -> Result<Vec<Needs>, Error> {
        let living = self.living()?;
        living.into_iter().filter_map(Result::transpose).collect()
    }

    /// Returns the runs in progress, as far as they can be found out.
    pub fn living_runs(&self) -> Living {
        let mut found = Living::default();
        let living = self.living().unwrap_or_else(|error| vec![Err(error)]);
        for needs in living {
            match needs {
                Ok(needs) => found.runs.extend(needs.map(|needs| needs.run)),
                Err(error) => {
                    tracing::debug!(%error, "failed to read what a process needs");
                    found.are_all_known = false;
                }
            }
        }
        found
    }

    /// Returns the runs in progress that found or will make the record of `key`, as far as their needs can be read.
    pub fn runs_that_need(&self, key: &Key) -> Vec<String> {
        let living = self.living().unwrap_or_default().into_iter();
        let needs = living.filter_map(|needs| needs.ok().flatten());
        let mut runs: Vec<String> = needs
            .filter(|needs| needs.keys.contains(key))
            .map(|needs| needs.run)
            .collect();
        runs.sort();
        runs
    }

    /// Returns the process that executes a run. `None` if no living process is known to execute it; the process is
    /// `None` if an older version of runner executes it.
    pub fn owner(&self, run: &str) -> Result<Option<Option<Owner>>, Error> {
        for session in self.living_sessions()? {
            if let Ok(Some(file)) = needs_of::<OwnedNeeds>(&session)
                && file.needs.run == run
            {
                return Ok(Some(file.owner));
            }
        }
        Ok(None)
    }

    /// Returns the run that a process of this machine executes, as soon as the process has recorded what it needs.
    ///
    /// # Errors
    /// If the folders of the processes cannot be listed.
    pub fn run_of(&self, process: u32) -> Result<Option<String>, Error> {
        let files = self.living_sessions()?.into_iter();
        let mut files = files.filter_map(|session| needs_of::<OwnedNeeds>(&session).ok()?);
        let found = files.find(|file| {
            let owner = file.owner.as_ref();
            owner.and_then(Owner::local_process) == Some(process)
        });
        Ok(found.map(|file| file.needs.run))
    }

    /// Returns what each living process needs. `None` stands for a process that has recorded no needs; it may
    /// rely only on what its guard protects.
    fn living(&self) -> Result<Vec<Result<Option<Needs>, Error>>, Error> {
        let living = self.living_sessions()?.into_iter();
        Ok(living.map(|session| needs_of(&session)).collect())
    }

    /// Returns the folders of living processes.
    fn living_sessions(&self) -> Result<Vec<PathBuf>, Error> {
        let sessions = entries(&self.home.join("tmp"))?.into_iter();
        // Besides the folders of processes there is a lock file.
        let living =
            sessions.filter(|session| session.kind.is_dir() && !session::is_dead(&session.path));
        Ok(living.map(|session| session.path).collect())
    }

    /// Waits until no collection is in progress, and prevents the next one.
    pub fn guard(&self) -> Result<Guard, Error> {
        let lock = match self.collector_lock() {
            // A process that cannot write to the store cannot keep a collector away; it only reads.
            Err(Error::Io { source, path, .. }) if is_read_only(&source, &path) => None,
            other => Some(other?),
        };
        if let Some(lock) = &lock {
            lock.lock_shared().map_err(Error::io("lock", &self.home))?;
        }
        Ok(Guard { lock })
    }

    /// Takes the collector's side of the lock: waits until no guard is held, and blocks new ones.
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
        self.set_aside_foreign(&path)?;
        lock::open(&path).map_err(Error::io("open", &path))
    }
}

/// Returns whether `error` means that the lock at `path` cannot be created. A lock that exists but may not be opened is
/// different: other processes may hold it.
fn is_read_only(error: &io::Error, path: &Path) -> bool {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => true,
        io::ErrorKind::PermissionDenied => files::exists(path).is_ok_and(|is_there| !is_there),
        _ => false,
    }
}

fn needs_of<T: DeserializeOwned>(session: &Path) -> Result<Option<T>, Error> {
    let path = session.join(NEEDS);
    match files::read(&path).map_err(Error::io("read", &path))? {
        Found::Bytes(bytes) => match unseal(&bytes) {
            Ok(needs) => Ok(Some(needs)),
            Err(_) => Err(Error::Unreadable { path }),
        },
        Found::Missing => Ok(None),
        Found::Foreign => Err(Error::Unreadable { path }),
    }
}
