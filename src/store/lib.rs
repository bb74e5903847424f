//! The content-addressed store, and the [`keys`] of its records. Artifacts are stored under digests of their content,
//! records of finished actions under the keys of the actions.
//!
//! ```text
//! artifacts/
//!   .gitignore               `*`, written only when the store creates the folder
//!   latest/<pipeline>/<instance>/<port>/<file>    read-only views of the newest outputs
//!   v1/
//!     cas/ab/<hex>           a blob, under the blake3 digest of its content; mode 0444
//!     cas/ab/<hex>.tree      a tree (the files of one output port), under its own digest
//!     actions/<key>.json     an action record, under its action key and its content key
//!     remote/<key>.json    a record of a shared cache; its outputs may be missing here
//!     jobs/                  jobs on a cluster, by action key; the package `slurm` decides what is in it
//!     remotes/               what is known about shared caches; the package `remote` decides what is in it
//!     leases.lock            one byte for each key, locked by the process that fills the miss
//!     last/, metrics/, sources/    memos: they save time and explain misses; results do not depend on them
//!     verifications.json     how often all blobs were found sound (see `doubt.rs`)
//!     processors/<kind>      an empty file for each kind of processor that computed results
//!     checkpoints/<key>/     checkpoints from which a training resumes
//!     runs/                  run records; the engine decides what is in them
//!     numbers/               the number of the newest run, claimed by creating a file
//!     collector.lock         locked shared by users of the store, exclusively by the garbage collector
//!     quarantine/            damaged and foreign files, kept for inspection
//!     tmp/<process>/         every file is written here first, then renamed
//! ```
//!
//! Every file that others may see is written under `tmp` and renamed. Blobs, trees and the folders that hold
//! them are on disk before the record that names them gets its name, so whatever a kill or a power cut leaves
//! behind is either whole or unreachable. Locks are kernel locks and end with their process.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read what they wrote")
)]

mod action_cache;
mod cas;
mod check;
mod checkpoints;
mod collect;
mod deadline;
mod doubt;
mod error;
mod exchange;
mod export;
mod files;
mod flush;
mod guard;
mod hashing;
mod ingest;
mod inventory;
pub mod keys;
mod latest;
mod lease;
mod lock;
mod memo;
mod owner;
mod packed;
mod probe;
mod processors;
mod raw;
mod records;
mod remote;
mod remote_results;
mod results;
mod sealed;
mod session;
mod shown;
mod stamp;
#[cfg(test)]
mod tests;
mod tree;
mod writers;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use contract::{ShowPath, lock};

pub use action_cache::{ActionRecord, InputsCheck, Lookup};
pub use check::{Check, Finding};
pub use checkpoints::Checkpoints;
pub use collect::{BadUse, Collection, Policy, Removal, RunUse, Uses};
pub use deadline::{Deadline, given_up};
pub use error::{Error, explained};
pub use exchange::receive_file;
pub use files::{Found, component, read as read_file, remove};
pub use guard::{Guard, Living, Needs, Patience};
pub use hashing::digest_open;
pub use ingest::BLOB_MODE;
pub use inventory::{Entry, Inventory, Reading, Unread};
pub use latest::Shown;
pub use lease::Lease;
pub use memo::Memo;
pub use owner::{DRIVER_JOB, NotSignalled, Owner};
pub use probe::{Probe, probe};
pub use processors::{Matching, is_processor};
pub use remote::{Remote, Traffic};
pub use results::Results;
pub use sealed::{Damaged, seal, unseal};
pub use session::Staging;
pub use shown::{ShownOutputs, shown_at};
pub use stamp::FileStamp;
pub use tree::{Blob, Tree};
pub use writers::{WriteWatch, is_open_for_writing};

use crate::keys::Digest;
use remote_results::RemoteRecords;
use session::Session;

/// Name of the folder that holds the store: the version of its format.
pub const FORMAT: &str = "v1";

/// The store's folders in `v1`.
const FOLDERS: [&str; 8] = [
    "cas",
    "actions",
    "runs",
    "checkpoints",
    "tmp",
    "last",
    "metrics",
    "sources",
];

/// An open store. It is cheap to open, and threads share it by reference. Several processes may
/// have the same store open.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// `<root>/v1`
    home: PathBuf,
    /// Created with the first write.
    session: Mutex<Option<Arc<Session>>>,
    /// Blobs whose content this instance has verified, with their stamps at that time.
    verified: Mutex<HashMap<Digest, FileStamp>>,
    /// Trees that this instance has made, or has read because a record names them.
    trees: Mutex<HashMap<Digest, Arc<Tree>>>,
    /// Files and folders that must be on disk before a record names their content.
    unflushed: Mutex<BTreeSet<PathBuf>>,
    /// Held while the files in `unflushed` are flushed.
    flushing: Mutex<()>,
    /// Held while a damaged blob is set aside.
    repairing: Mutex<()>,
    /// Source indexes made before this time, in nanoseconds since 1970, are not trusted.
    index_since: i64,
    matching: Matching,
    /// A shared cache.
    remote: Option<Arc<dyn Remote>>,
    remote_records: Mutex<RemoteRecords>,
    /// Kinds of processors that this instance has listed.
    listed_processors: Mutex<BTreeSet<String>>,
}

impl Store {
    /// Opens the store in `root`, creates missing folders, and removes what dead processes left under `tmp`.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let home = root.join(FORMAT);
        let is_there = files::is(&home, fs::Metadata::is_dir);
        if !is_there.map_err(Error::io("access", &home))? {
            create_root(root)?;
        }
        for own in [home.clone(), home.join("quarantine")] {
            refuse_link(&own)?;
        }
        for folder in FOLDERS {
            let folder = home.join(folder);
            refuse_link(&folder)?;
            files::create_folders(&folder).map_err(Error::io("create", &folder))?;
        }
        let store = Self {
            root: root.to_owned(),
            home,
            session: Mutex::default(),
            verified: Mutex::default(),
            trees: Mutex::default(),
            unflushed: Mutex::default(),
            flushing: Mutex::default(),
            repairing: Mutex::default(),
            index_since: i64::MIN,
            matching: Matching::default(),
            remote: None,
            remote_records: Mutex::default(),
            listed_processors: Mutex::default(),
        };
        let tmp = store.home.join("tmp");
        store.set_aside_foreign(&tmp.join(session::GATE))?;
        session::sweep(&tmp);
        Ok(store)
    }

    /// Stops trusting source indexes made before `since` (nanoseconds since 1970), so that
    /// their sources are read again.
    pub fn distrust_indexes(&mut self, since: i64) {
        self.index_since = since;
    }

    pub fn index_since(&self) -> i64 {
        self.index_since
    }

    /// Returns the folder in which the store was opened.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder for run records. The store does not decide what is in it.
    pub fn runs_folder(&self) -> PathBuf {
        self.home.join("runs")
    }

    /// Returns the folder for jobs on a cluster, by action key. The store does not decide what is in it.
    pub fn jobs_folder(&self) -> PathBuf {
        self.home.join("jobs")
    }

    /// Returns the folder for what this machine remembers about shared caches.
    pub fn remotes_folder(&self) -> PathBuf {
        self.home.join("remotes")
    }

    /// Returns the folder in which runs claim their numbers. It is created with the first run.
    pub fn numbers_folder(&self) -> PathBuf {
        self.home.join("numbers")
    }

    /// Creates a folder for outputs, on the store's file system. Dropping it removes large content at once
    /// and may leave small content until this process ends. If the process is killed, the next one that
    /// opens the store removes it.
    pub fn staging(&self) -> Result<Staging, Error> {
        Staging::new(self.session()?)
    }

    fn session(&self) -> Result<Arc<Session>, Error> {
        let mut session = lock(&self.session);
        match &*session {
            Some(session) => {
                session.check()?;
                Ok(Arc::clone(session))
            }
            None => {
                let begun = Arc::new(Session::begin(&self.home.join("tmp"))?);
                Ok(Arc::clone(session.insert(begun)))
            }
        }
    }

    /// Writes `bytes` to `path` atomically and durably, replacing whatever is there.
    fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        self.set_aside_foreign(path)?;
        self.session()?.write_durably(path, bytes)
    }

    /// Sets aside a folder, a link or a pipe that has the name of one of the store's files.
    fn set_aside_foreign(&self, file: &Path) -> Result<(), Error> {
        match files::is(file, |metadata| !metadata.is_file()) {
            Ok(true) => self.set_aside(file),
            Ok(false) => Ok(()),
            Err(error) => Err(Error::io("access", file)(error)),
        }
    }

    /// Creates a folder and returns whether it was missing. Anything else with its name is set aside,
    /// including a link to a folder: nothing may be written or removed behind a link.
    fn create_folder(&self, folder: &Path) -> Result<bool, Error> {
        match fs::symlink_metadata(folder) {
            Ok(metadata) if metadata.is_dir() => return Ok(false),
            Ok(_) => self.set_aside(folder)?,
            Err(error) if files::is_absence(&error) => {}
            Err(error) => return Err(Error::io("access", folder)(error)),
        }
        files::create_folders(folder).map_err(Error::io("create", folder))?;
        Ok(true)
    }

    /// Moves something damaged or foreign to the quarantine, where it can be inspected. It is no error if
    /// another process has moved it already.
    fn set_aside(&self, file: &Path) -> Result<(), Error> {
        // If the file is behind a link, the link is moved: what it leads to is not the store's.
        let file = match file.parent() {
            Some(folder) if folder != self.root && is_link(folder)? => folder,
            _ => file,
        };
        let quarantine = self.home.join("quarantine");
        files::create_folders(&quarantine).map_err(Error::io("create", &quarantine))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        // An earlier entry of the same name stays.
        let mut kept = quarantine.join(name.as_ref());
        for number in 1.. {
            if !files::exists(&kept).map_err(Error::io("access", &kept))? {
                break;
            }
            kept = quarantine.join(format!("{name}.{number}"));
        }
        match fs::rename(file, &kept) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("move to quarantine", file)(e))
            }
            _ => {
                tracing::warn!(file = %file.shown(), kept = %kept.shown(), "set aside");
                Ok(())
            }
        }
    }
}

/// Refuses a symbolic link in place of one of the store's own folders: sweeping, moving and removing
/// would reach files behind it.
fn refuse_link(folder: &Path) -> Result<(), Error> {
    if is_link(folder)? {
        let cause = "it is a symbolic link; only the artifacts folder itself may be one";
        return Err(Error::io("use", folder)(std::io::Error::other(cause)));
    }
    Ok(())
}

fn is_link(path: &Path) -> Result<bool, Error> {
    files::is(path, fs::Metadata::is_symlink).map_err(Error::io("access", path))
}

/// Creates the root. A folder that is new or empty belongs to the store alone and gets a `.gitignore`;
/// nothing is added to a folder that already holds something. (No `CACHEDIR.TAG`: results that took days to
/// train belong in backups.)
fn create_root(root: &Path) -> Result<(), Error> {
    files::create_folders(root).map_err(Error::io("create", root))?;
    let mut entries = fs::read_dir(root).map_err(Error::io("read", root))?;
    if entries.next().is_none() {
        let ignore = root.join(".gitignore");
        fs::write(&ignore, "*\n").map_err(Error::io("write", &ignore))?;
    }
    Ok(())
}
