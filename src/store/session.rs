//! A process' own folder under `tmp`, where everything is written before it is renamed into place.
//!
//! The owner holds a lock on the folder's `lock` file for as long as it lives. A folder whose lock
//! is free belongs to a dead process, whatever its age, and is swept. `tmp/.lock` is held around
//! making a folder and around sweeping, so that none is swept between its making and its locking.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    _lock: File,
    names: AtomicU64,
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
            _lock: own,
            names: AtomicU64::new(0),
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

    /// Puts `bytes` at `path`, whole or not at all, and on disk before this returns.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let fresh = self.fresh("file");
        File::create_new(&fresh)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .map_err(Error::io("write", &fresh))?;
        fs::rename(&fresh, path).map_err(Error::io("write", path))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        sync_folder(folder).map_err(Error::io("flush", folder))
    }
}

/// A folder for outputs in the making; removed on drop.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    _session: Arc<Session>,
}

impl Staging {
    pub(super) fn new(session: Arc<Session>) -> Result<Self, Error> {
        let path = session.fresh("staging");
        fs::create_dir(&path).map_err(Error::io("create", &path))?;
        Ok(Self {
            path,
            _session: session,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::debug!(folder = %self.path.display(), %error, "staging was not removed");
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

/// Whether nobody holds a session's lock. One that cannot be asked is left alone.
pub fn is_dead(session: &Path) -> bool {
    let lock = session.join(LOCK);
    // Whatever is no folder with a plain file for a lock is none of ours; a pipe would never open.
    let is_ours = fs::symlink_metadata(session).is_ok_and(|metadata| metadata.is_dir())
        && fs::symlink_metadata(&lock).is_ok_and(|metadata| metadata.is_file());
    !is_ours || lock::is_free(&lock).unwrap_or(false)
}
