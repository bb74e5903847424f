//! A process's own folder under `tmp`, where every file is written before it is renamed into place.
//!
//! The owner holds a lock on the folder's `lock` file for as long as it lives. A folder whose lock
//! is free belongs to a dead process, whatever its age, and is swept. `tmp/.lock` is held while a
//! folder is created and while folders are swept, so that no folder is swept between its creation
//! and the locking of its `lock`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use contract::{Folder, ShowPath};

use super::files::{is, mode, remove, sync};
use super::{Error, lock};

const LOCK: &str = "lock";
/// The file in `tmp` that is locked while folders are created or swept.
pub(super) const GATE: &str = ".lock";

/// Maximum number of files and folders in dropped staging folders that may stay until the process ends, and maximum
/// number of bytes in such a staging folder.
const MOST_STAYING: usize = 1 << 16;
const MOST_SMALL: u64 = 4096;

#[derive(Debug)]
pub(super) struct Session {
    folder: PathBuf,
    /// The folder itself, even if something else has its name.
    open: Folder,
    lock: File,
    names: AtomicU64,
    /// Number of files and folders that stay until the end.
    staying: AtomicUsize,
}

impl Session {
    pub(super) fn begin(tmp: &Path) -> Result<Self, Error> {
        let gate = lock::open(&tmp.join(GATE)).map_err(Error::io("open", tmp))?;
        gate.lock().map_err(Error::io("lock", tmp))?;
        let folder = tempfile::Builder::new()
            .prefix(&format!("{}-", std::process::id()))
            // Open to others, as far as the umask allows: users who share the store
            // read the lock and the needs.
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

    pub(super) fn path(&self) -> &Path {
        &self.folder
    }

    /// Checks that the folder's name still leads to it. A program knows the name, because its own folder is
    /// inside, and could have replaced the folder with a link, through which runner would write elsewhere.
    pub(super) fn check(&self) -> Result<(), Error> {
        let is_there = self.open.is_at(&self.folder);
        if is_there.map_err(Error::io("access", &self.folder))? {
            return Ok(());
        }
        let cause = "it no longer exists: a program has moved, removed or replaced it";
        Err(Error::io("use", &self.folder)(std::io::Error::other(cause)))
    }

    /// Returns an unused path in the folder, with a name that begins with `what`.
    pub(super) fn fresh(&self, what: &str) -> PathBuf {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{what}-{number}"))
    }

    /// Returns the file that is locked for as long as the session lasts.
    pub(super) fn lock(&self) -> &File {
        &self.lock
    }

    /// Writes `bytes` to `path` by rename. A power cut may still undo the write or leave half of it.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let fresh = self.fresh("file");
        fs::write(&fresh, bytes).map_err(Error::io("write", &fresh))?;
        fs::rename(&fresh, path).map_err(Error::io("write", path))
    }

    /// Like `write`, but the file is on disk when this returns.
    pub(super) fn write_durably(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let fresh = self.fresh("file");
        File::create_new(&fresh)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .map_err(Error::io("write", &fresh))?;
        fs::rename(&fresh, path).map_err(Error::io("write", path))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        sync(folder).map_err(Error::io("flush", folder))
    }

    /// Returns whether `entries` more files and folders of dropped staging folders may stay until the end. File systems
    /// are slow at creating files right after others were removed (ext4 looks at every removed inode), so small staging
    /// folders are not removed after each stage.
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
    /// Removes the folder before the lock is released. What cannot be removed now is swept later.
    fn drop(&mut self) {
        if let Err(error) = self
            .check()
            .and_then(|()| remove(&self.folder).map_err(Error::io("remove", &self.folder)))
        {
            tracing::debug!(folder = %self.folder.shown(), %error, "failed to remove a session");
        }
    }
}

/// A folder for the outputs of one attempt; it is never reused.
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

    /// Returns the path at which the folder was created. A program that ran there may have replaced it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder itself, even if something else has its name now.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Removes the folder's content, unless it is small.
    fn clear(&self) -> std::io::Result<()> {
        // A folder that was moved away is left alone.
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
        if let Err(error) = self.clear() {
            tracing::debug!(folder = %self.path.shown(), %error, "failed to clear a staging folder");
        }
    }
}

/// Removes the folders of dead processes. What cannot be removed now is left for the next sweep.
pub(super) fn sweep(tmp: &Path) {
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
        tracing::debug!(session = %session.shown(), ?removed, "swept");
    }
}

/// Returns whether no process holds a session's lock. A session that cannot be examined, such as a folder of another
/// user without read permission, counts as alive.
pub(super) fn is_dead(session: &Path) -> bool {
    let lock = session.join(LOCK);
    // Only a folder whose lock is a regular file is a session. Opening a pipe would block.
    let is_session = is(session, fs::Metadata::is_dir)
        .and_then(|is_folder| Ok(is_folder && is(&lock, fs::Metadata::is_file)?));
    match is_session {
        Ok(true) => lock::is_free(&lock).unwrap_or(false),
        Ok(false) => true,
        Err(_) => false,
    }
}
