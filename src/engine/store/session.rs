//! A process' own folder under `tmp`, where everything is written before it is renamed into place.
//!
//! The owner holds a lock on the folder's `lock` file for as long as it lives. A folder whose lock
//! is free belongs to a dead process, whatever its age, and is swept. `tmp/.lock` is held around
//! making a folder and around sweeping, so that none is swept between its making and its locking.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use contract::Folder;

use super::files::{is, mode, remove, sync};
use super::{Error, lock};

const LOCK: &str = "lock";
/// The file of `tmp` that is locked around making and sweeping.
pub const GATE: &str = ".lock";

/// Files and folders of dead staging folders that may wait for the end of the process, and what they may
/// hold in bytes each.
const MOST_STAYING: usize = 1 << 16;
const MOST_SMALL: u64 = 4096;

#[derive(Debug)]
pub struct Session {
    folder: PathBuf,
    /// The folder itself, whatever has its name.
    open: Folder,
    lock: File,
    names: AtomicU64,
    /// Files and folders that wait to be removed at the end.
    staying: AtomicUsize,
}

impl Session {
    pub fn begin(tmp: &Path) -> Result<Self, Error> {
        let gate = lock::open(&tmp.join(GATE)).map_err(Error::io("open", tmp))?;
        gate.lock().map_err(Error::io("lock", tmp))?;
        let folder = tempfile::Builder::new()
            .prefix(&format!("{}-", std::process::id()))
            // As far as the umask allows: others who share the store look for our lock and our needs.
            .permissions(mode(0o777))
            .tempdir_in(tmp)
            .map_err(Error::io("create a folder in", tmp))?;
        let own = lock::open(&folder.path().join(LOCK))
            .and_then(|own| own.lock().map(|()| own))
            .map_err(Error::io("lock", folder.path()))?;
        let open = Folder::open(folder.path()).map_err(Error::io("open", folder.path()))?;
        Ok(Self {
            folder: folder.keep(),
            open,
            lock: own,
            names: AtomicU64::new(0),
            staying: AtomicUsize::new(0),
        })
    }

    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Checks that the folder's name still leads to it. A program knows the name from its own folder, which
    /// is in it, and could have put a link there: we would write where that leads.
    pub fn check(&self) -> Result<(), Error> {
        let is_there = self.open.is_at(&self.folder);
        if is_there.map_err(Error::io("look at", &self.folder))? {
            return Ok(());
        }
        let cause = "it is no longer there: a program has moved, removed or replaced it";
        Err(Error::io("use", &self.folder)(std::io::Error::other(cause)))
    }

    /// A path in the folder that nothing has used.
    pub fn fresh(&self, what: &str) -> PathBuf {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{what}-{number}"))
    }

    /// What is locked for as long as the session lasts.
    pub fn lock(&self) -> &File {
        &self.lock
    }

    /// Puts `bytes` at `path`, whole or not at all, for now: a power cut may undo it, or half of it.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let fresh = self.fresh("file");
        fs::write(&fresh, bytes).map_err(Error::io("write", &fresh))?;
        fs::rename(&fresh, path).map_err(Error::io("write", path))
    }

    /// As `write`, and on disk before this returns.
    pub fn write_durably(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let fresh = self.fresh("file");
        File::create_new(&fresh)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .map_err(Error::io("write", &fresh))?;
        fs::rename(&fresh, path).map_err(Error::io("write", path))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        sync(folder).map_err(Error::io("flush", folder))
    }

    /// Whether `entries` more files and folders of dead staging folders may stay until the end. File
    /// systems are slow at making what was removed a moment ago (ext4 looks at every inode that was), so
    /// little things are not removed one stage after the other.
    fn may_stay(&self, entries: usize) -> bool {
        let staying = self.staying.fetch_add(entries, Ordering::Relaxed) + entries;
        if staying <= MOST_STAYING {
            return true;
        }
        self.staying.fetch_sub(entries, Ordering::Relaxed);
        false
    }
}

impl Drop for Session {
    /// Removes the folder before the lock is let go. What cannot be removed now is swept later.
    fn drop(&mut self) {
        if let Err(error) = self
            .check()
            .and_then(|()| remove(&self.folder).map_err(Error::io("remove", &self.folder)))
        {
            tracing::debug!(folder = %self.folder.display(), %error, "a session was not removed");
        }
    }
}

/// A folder for outputs in the making, which is never used again.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    folder: Folder,
    session: Arc<Session>,
}

impl Staging {
    pub(super) fn new(session: Arc<Session>) -> Result<Self, Error> {
        let path = session.fresh("staging");
        let folder = fs::create_dir(&path).and_then(|()| Folder::open(&path));
        Ok(Self {
            folder: folder.map_err(Error::io("create", &path))?,
            path,
            session,
        })
    }

    /// Where it was made. A program that ran there may have put something else in its place.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder itself, whatever became of its name.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Removes what is in it, unless that is little.
    fn let_go(&self) -> std::io::Result<()> {
        // One that was moved away is no longer ours to clear.
        if !self.folder.is_at(&self.path)? {
            return Ok(());
        }
        self.folder.regain()?;
        match self.folder.measure(MOST_SMALL) {
            Ok(Some(entries)) if self.session.may_stay(entries + 1) => Ok(()),
            _ => self.folder.clear(),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = self.let_go() {
            tracing::debug!(folder = %self.path.display(), %error, "staging was not cleared");
        }
    }
}

/// Removes the folders of dead processes. What cannot be removed now is left for the next time.
pub fn sweep(tmp: &Path) {
    let sessions = || {
        let entries = fs::read_dir(tmp).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| !path.ends_with(GATE))
    };
    if sessions().next().is_none() {
        return;
    }
    let Ok(gate) = lock::open(&tmp.join(GATE)) else {
        return;
    };
    if gate.try_lock().is_err() {
        return;
    }
    for session in sessions().filter(|session| is_dead(session)) {
        let removed = remove(&session);
        tracing::debug!(session = %session.display(), ?removed, "swept");
    }
}

/// Whether nobody holds a session's lock. A session that cannot be asked, such as another user's whose
/// folder is closed to us, counts as alive.
pub fn is_dead(session: &Path) -> bool {
    let lock = session.join(LOCK);
    // Anything but a folder with a plain file for a lock is no session; a pipe would never open.
    let is_session = is(session, fs::Metadata::is_dir)
        .and_then(|is_folder| Ok(is_folder && is(&lock, fs::Metadata::is_file)?));
    match is_session {
        Ok(true) => lock::is_free(&lock).unwrap_or(false),
        Ok(false) => true,
        Err(_) => false,
    }
}
