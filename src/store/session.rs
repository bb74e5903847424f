//! A process' own folder under `tmp`, where everything is written before it is renamed into place.
//!
//! The owner holds a lock on the folder's `lock` file for as long as it lives. A folder whose lock
//! is free belongs to a dead process, whatever its age, and is swept. `tmp/.lock` is held around
//! making a folder and around sweeping, so that none is swept between its making and its locking.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

use super::files::{remove, sync_folder};
use super::{Error, lock};

const LOCK: &str = "lock";
/// The file of `tmp` that is locked around making and sweeping.
pub const GATE: &str = ".lock";

#[derive(Debug)]
pub struct Session {
    // Dropped, and so removed, before the lock is let go.
    folder: TempDir,
    lock: File,
    names: AtomicU64,
    /// Folders that were let go: with nothing in them but folders.
    spare: Mutex<Vec<PathBuf>>,
}

impl Session {
    pub fn begin(tmp: &Path) -> Result<Self, Error> {
        let gate = lock::open(&tmp.join(GATE)).map_err(Error::io("open", tmp))?;
        gate.lock().map_err(Error::io("lock", tmp))?;
        let folder = tempfile::Builder::new()
            .prefix(&format!("{}-", std::process::id()))
            .tempdir_in(tmp)
            .map_err(Error::io("create a folder in", tmp))?;
        let own = lock::open(&folder.path().join(LOCK))
            .and_then(|own| own.lock().map(|()| own))
            .map_err(Error::io("lock", folder.path()))?;
        Ok(Self {
            folder,
            lock: own,
            names: AtomicU64::new(0),
            spare: Mutex::default(),
        })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder that nothing has used.
    pub fn fresh(&self, what: &str) -> PathBuf {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        self.folder.path().join(format!("{what}-{number}"))
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
        sync_folder(folder).map_err(Error::io("flush", folder))
    }

    /// A folder that was let go, or a new one: empty, but for empty folders that `keep` names.
    fn folder(&self, keep: &dyn Fn(&str) -> bool) -> Result<PathBuf, Error> {
        let spare = self
            .spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        if let Some(path) = spare.filter(|path| is_ours(path)) {
            clear(&path, keep).map_err(Error::io("clear", &path))?;
            return Ok(path);
        }
        let path = self.fresh("staging");
        fs::create_dir(&path).map_err(Error::io("create", &path))?;
        Ok(path)
    }

    /// Takes back a folder, to be used again: file systems are slow at making what was removed a moment
    /// ago. Only the files in it are removed at once.
    fn let_go(&self, path: PathBuf) -> std::io::Result<()> {
        remove_files(&path)?;
        self.spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(path);
        Ok(())
    }
}

/// A folder for outputs in the making; removed on drop.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    session: Arc<Session>,
}

impl Staging {
    pub(super) fn new(session: Arc<Session>, keep: &dyn Fn(&str) -> bool) -> Result<Self, Error> {
        Ok(Self {
            path: session.folder(keep)?,
            session,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = self.session.let_go(self.path.clone()) {
            tracing::debug!(folder = %self.path.display(), %error, "staging was not removed");
        }
    }
}

/// Removes all files below a folder.
fn remove_files(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_files(&entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a folder is still as we make them: a program may have taken rights away.
fn is_ours(folder: &Path) -> bool {
    let metadata = fs::symlink_metadata(folder);
    metadata.is_ok_and(|metadata| metadata.is_dir() && metadata.mode() & 0o700 == 0o700)
}

/// Removes what is in a folder, but for empty folders that `keep` names.
fn clear(folder: &Path, keep: &dyn Fn(&str) -> bool) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_kept = entry.file_name().to_str().is_some_and(keep)
            && is_ours(&entry.path())
            && fs::read_dir(entry.path())?.next().is_none();
        if !is_kept {
            remove(&entry.path())?;
        }
    }
    Ok(())
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

/// Whether nobody holds a session's lock. One that cannot be asked is left alone.
pub fn is_dead(session: &Path) -> bool {
    let lock = session.join(LOCK);
    // Whatever is no folder with a plain file for a lock is none of ours; a pipe would never open.
    let is_ours = fs::symlink_metadata(session).is_ok_and(|metadata| metadata.is_dir())
        && fs::symlink_metadata(&lock).is_ok_and(|metadata| metadata.is_file());
    !is_ours || lock::is_free(&lock).unwrap_or(false)
}
