//! The content-addressed store: artifacts by what they hold, finished actions by what made them.
//!
//! ```text
//! artifacts/
//!   .gitignore               `*`, put there only when the store makes the folder
//!   latest/<pipeline>/<instance>/<port>/<file>    read-only views of the newest outputs
//!   v1/
//!     cas/ab/<hex>           a blob, by the blake3 digest of its content; mode 0444
//!     cas/ab/<hex>.tree      a tree (the files of one output port), by its own digest
//!     actions/<key>.json     an action record, under its action key and its content key
//!     leases.lock            a byte for each key, locked by whoever fills that miss
//!     last/, sources/        memos: worth time and explanations, never correctness
//!     verifications.json     how often the whole store was found sound (see `doubt.rs`)
//!     checkpoints/<key>/     what a training goes on from
//!     runs/                  run records; theirs to arrange
//!     numbers/               the number of the newest run, claimed by making a file
//!     collector.lock         shared by all, but for whoever collects what nothing needs
//!     quarantine/            what was damaged, kept to be looked at
//!     tmp/<process>/         everything is written here first, then renamed
//! ```
//!
//! A file that others may see is written under `tmp` and renamed. Blobs and trees are on disk, and so
//! are the folders they are in, before the record that names them gets its name; whatever a kill or a
//! power cut leaves behind is either whole or unreachable. Locks are the kernel's and end with their process.

mod action_cache;
mod cas;
mod check;
mod checkpoints;
mod collect;
mod deadline;
mod doubt;
mod error;
mod export;
mod files;
mod flush;
mod guard;
mod hashing;
mod ingest;
mod inventory;
mod latest;
mod lease;
mod lock;
mod memo;
mod packed;
mod probe;
mod records;
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
use std::sync::{Arc, Mutex, PoisonError};

pub use action_cache::{ActionRecord, Lookup};
pub use check::{Check, Finding};
pub use checkpoints::Checkpoints;
pub use collect::{BadUse, Collected, Policy, Removal, RunUse, Uses};
pub use deadline::{Deadline, given_up};
pub use doubt::InputsCheck;
pub use error::Error;
pub(crate) use error::explained;
pub use files::{Found, read as read_file};
pub(crate) use files::{component, is_absence, remove};
pub use guard::{Guard, Living, Needs, Patience};
pub(crate) use hashing::digest_open;
pub use ingest::BLOB_MODE;
pub use inventory::{Entry, Inventory, Reading, Unread};
pub use latest::Shown;
pub use lease::Lease;
pub use probe::{Probe, probe};
pub use sealed::{Damaged, seal, unseal};
pub use session::Staging;
pub use shown::{ShownOutputs, shown_at};
pub use stamp::Stamp;
pub use tree::{Blob, Tree};
pub use writers::Unwritten;
pub(crate) use writers::is_open_for_writing;

use crate::keys::Digest;
use session::Session;

/// The folder that holds the store, named after the format of what is in it.
pub const FORMAT: &str = "v1";

/// The folders of a store, below `v1`.
const FOLDERS: [&str; 7] = [
    "cas",
    "actions",
    "runs",
    "checkpoints",
    "tmp",
    "last",
    "sources",
];

/// An open store. Cheap to open, to be shared between threads by reference; several processes may
/// have the same one open.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// `<root>/v1`
    home: PathBuf,
    /// Begun with the first write.
    session: Mutex<Option<Arc<Session>>>,
    /// Blobs whose content this instance has seen to be right, and how they were then.
    verified: Mutex<HashMap<Digest, Stamp>>,
    /// Trees that records name which were looked up.
    trees: Mutex<HashMap<Digest, Arc<Tree>>>,
    /// Files and folders that are to be on disk before a record names what they hold.
    unflushed: Mutex<BTreeSet<PathBuf>>,
    /// Held by the thread that puts them there.
    flushing: Mutex<()>,
    /// Held by the thread that sets a damaged blob aside.
    mending: Mutex<()>,
    /// Indexes of sources that were made earlier are not trusted; nanoseconds since 1970.
    index_since: i64,
}

impl Store {
    /// Opens the store in `root`, making what is not there, and removes what dead processes left
    /// under `tmp`.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let home = root.join(FORMAT);
        let is_there = files::is(&home, fs::Metadata::is_dir);
        if !is_there.map_err(Error::io("look at", &home))? {
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
            mending: Mutex::default(),
            index_since: i64::MIN,
        };
        let tmp = store.home.join("tmp");
        store.make_way(&tmp.join(session::GATE))?;
        session::sweep(&tmp);
        Ok(store)
    }

    /// Trusts no index of a source that was made before `since` (nanoseconds since 1970): such a source is read
    /// again.
    pub(crate) fn distrust_indexes(&mut self, since: i64) {
        self.index_since = since;
    }

    pub(crate) fn index_since(&self) -> i64 {
        self.index_since
    }

    /// The folder the store was opened in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where run records go; theirs to arrange.
    pub fn runs_folder(&self) -> PathBuf {
        self.home.join("runs")
    }

    /// Where runs claim their numbers; made with the first.
    pub fn numbers_folder(&self) -> PathBuf {
        self.home.join("numbers")
    }

    /// A fresh folder to write outputs into, on the store's file system. It is emptied of what is large
    /// when it is dropped, removed when this process ends, or by the next one to open the store if this
    /// one is killed.
    pub fn staging(&self) -> Result<Staging, Error> {
        Staging::new(self.session()?)
    }

    fn session(&self) -> Result<Arc<Session>, Error> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Puts `bytes` at `path`, whole or not at all, whatever is there.
    fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        self.make_way(path)?;
        self.session()?.write_durably(path, bytes)
    }

    /// Sets aside what has the name of a file of the store and is none: a folder, a link, a pipe.
    fn make_way(&self, file: &Path) -> Result<(), Error> {
        match files::is(file, |metadata| !metadata.is_file()) {
            Ok(true) => self.set_aside(file),
            Ok(false) => Ok(()),
            Err(error) => Err(Error::io("look at", file)(error)),
        }
    }

    /// Makes a folder unless it is there; tells whether it did. Whatever else has its name is set
    /// aside, a link to a folder too: nothing may be written, or removed, where it leads.
    fn create_folder(&self, folder: &Path) -> Result<bool, Error> {
        match fs::symlink_metadata(folder) {
            Ok(metadata) if metadata.is_dir() => return Ok(false),
            Ok(_) => self.set_aside(folder)?,
            Err(error) if is_absence(&error) => {}
            Err(error) => return Err(Error::io("look at", folder)(error)),
        }
        files::create_folders(folder).map_err(Error::io("create", folder))?;
        Ok(true)
    }

    /// Moves what is damaged or foreign out of the way, keeping it to be looked at. Another process
    /// may have been faster; that it is gone is all that matters.
    fn set_aside(&self, file: &Path) -> Result<(), Error> {
        // What is behind a link is not ours to move; the link is.
        let file = match file.parent() {
            Some(folder) if folder != self.root && is_link(folder)? => folder,
            _ => file,
        };
        let quarantine = self.home.join("quarantine");
        files::create_folders(&quarantine).map_err(Error::io("create", &quarantine))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        // Whatever has the name already, a folder for one, stays.
        let mut kept = quarantine.join(name.as_ref());
        for number in 1.. {
            if !files::exists(&kept).map_err(Error::io("look at", &kept))? {
                break;
            }
            kept = quarantine.join(format!("{name}.{number}"));
        }
        match fs::rename(file, &kept) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("move to quarantine", file)(e))
            }
            _ => {
                tracing::warn!(file = %file.display(), kept = %kept.display(), "set aside");
                Ok(())
            }
        }
    }
}

/// Refuses a link in place of one of the store's own folders: everything in it would be swept, moved
/// and removed where it leads.
fn refuse_link(folder: &Path) -> Result<(), Error> {
    if is_link(folder)? {
        let cause = "it is a symbolic link; make one to the whole store instead";
        return Err(Error::io("use", folder)(std::io::Error::other(cause)));
    }
    Ok(())
}

fn is_link(path: &Path) -> Result<bool, Error> {
    files::is(path, fs::Metadata::is_symlink).map_err(Error::io("look at", path))
}

/// Makes the root. A folder that is new or empty is the store's alone, and git is told to leave it
/// be; in one that holds something already nothing is added. (No `CACHEDIR.TAG`: results that took
/// days to train belong in backups.)
fn create_root(root: &Path) -> Result<(), Error> {
    files::create_folders(root).map_err(Error::io("create", root))?;
    let mut entries = fs::read_dir(root).map_err(Error::io("read", root))?;
    if entries.next().is_none() {
        let ignore = root.join(".gitignore");
        fs::write(&ignore, "*\n").map_err(Error::io("write", &ignore))?;
    }
    Ok(())
}
