//! Checkpoints: the state that a long stage saves as it goes, so that it can resume after a kill.
//!
//! `checkpoints/<key>/<position>/` holds the stage's files and a sealed manifest with their digests. The
//! key covers everything that an intermediate state depends on (see `plan`), so it does not matter which
//! run wrote a checkpoint. Checkpoints are written like everything else: flushed under `tmp`, then renamed.
//! While a stage uses a key's folder it holds a shared lock on it, which the collector respects. Two
//! runners may use the same folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use contract::{Artifact, Position, ShowPath};
use serde::{Deserialize, Serialize};

use super::files::{self, Found, sync};
use super::inventory::Unread;
use super::sealed::{seal, unseal};
use super::{Blob, Error, Staging, Store, lock};
use crate::keys::Key;

const MANIFEST: &str = "checkpoint.json";
/// The file in a key's folder that is locked while the folder is in use.
pub(super) const LOCK: &str = "lock";

/// Content of a checkpoint.
#[derive(Serialize, Deserialize)]
struct Manifest {
    key: Key,
    position: Position,
    files: BTreeMap<String, Blob>,
}

/// The checkpoints under one key. The value holds the lock on their folder.
#[derive(Debug)]
pub struct Checkpoints<'a> {
    store: &'a Store,
    key: Key,
    folder: PathBuf,
    lock: File,
}

impl Store {
    /// Opens the checkpoints under `key`.
    pub fn checkpoints(&self, key: &Key) -> Result<Checkpoints<'_>, Error> {
        let folder = self.home.join("checkpoints").join(key.to_string());
        let _guard = self.guard()?;
        let lock = loop {
            self.create_folder(&folder)?;
            match lock::acquire(&folder.join(LOCK), |lock| lock.lock_shared().map(|()| true)) {
                Ok(Some(lock)) => break lock,
                // The process that used the folder last has removed it.
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("lock", &folder)(error)),
            }
        };
        Ok(Checkpoints {
            store: self,
            key: *key,
            folder,
            lock,
        })
    }
}

impl Store {
    /// Returns the positions of the checkpoints under `key`, the furthest first. Only their manifests are read, so the
    /// files of one may turn out to be damaged.
    pub fn checkpoint_positions(&self, key: &Key) -> Vec<Position> {
        let folder = self.home.join("checkpoints").join(key.to_string());
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let position = |folder: PathBuf| {
            let Ok(Found::Bytes(bytes)) = files::read(&folder.join(MANIFEST)) else {
                return None;
            };
            let manifest: Manifest = unseal(&bytes).ok()?;
            let is_right = manifest.key == *key && folder.ends_with(name(manifest.position));
            is_right.then_some(manifest.position)
        };
        let mut positions: Vec<Position> =
            entries.filter_map(|entry| position(entry.path())).collect();
        positions.sort_by_key(|&position| std::cmp::Reverse(position));
        positions
    }
}

impl Checkpoints<'_> {
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Returns a fresh folder, in which a stage can write checkpoints for [`Checkpoints::keep`].
    pub fn staging(&self) -> Result<Staging, Error> {
        self.store.staging()
    }

    /// Returns the complete checkpoints, the furthest first. Damaged ones are set aside. For one that cannot
    /// be read, a warning is logged and the checkpoint stays.
    pub fn furthest_first(&self) -> Result<Vec<Artifact>, Error> {
        let mut found = Vec::new();
        for folder in self.folders()? {
            match self.examine(&folder) {
                Ok(Some((position, files))) => {
                    let label = format!("checkpoint after {position}");
                    found.push((
                        position,
                        Artifact {
                            label,
                            files,
                            ..Artifact::default()
                        },
                    ));
                }
                Ok(None) => self.store.set_aside(&folder)?,
                Err(Unread { path, why }) => {
                    tracing::warn!("`{}` {why}; it is ignored", path.shown());
                }
            }
        }
        found.sort_by_key(|&(position, _)| std::cmp::Reverse(position));
        Ok(found.into_iter().map(|(_, artifact)| artifact).collect())
    }

    /// Stores the files in `folder`, which must be on the store's file system, as the checkpoint at
    /// `position`. It is on disk when this returns. Of the other checkpoints only the furthest is kept.
    pub fn keep(&self, position: Position, folder: &Path) -> Result<(), Error> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
            let path = entry.map_err(Error::io("read", folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let (digest, bytes) = files::digest(&path).map_err(Error::io("read", &path))?;
            sync(&path).map_err(Error::io("flush", &path))?;
            files.insert(name.into_owned(), Blob { digest, bytes });
        }
        let manifest = Manifest {
            key: self.key,
            position,
            files,
        };
        let bytes = seal(&manifest).map_err(|source| Error::Serialize {
            what: "a checkpoint's manifest",
            source,
        })?;
        let session = self.store.session()?;
        session.write_durably(&folder.join(MANIFEST), &bytes)?;
        let target = self.folder.join(name(position));
        if files::exists(&target).map_err(Error::io("access", &target))? {
            self.discard(&target)?;
        }
        fs::rename(folder, &target).map_err(Error::io("keep", &target))?;
        sync(&self.folder).map_err(Error::io("flush", &self.folder))?;
        self.prune(|others| others.len() - 1, Some(&target))
    }

    /// Keeps only the furthest checkpoint, from which a training with more epochs can continue.
    pub fn keep_furthest(&self) -> Result<(), Error> {
        self.prune(|all| all.len().saturating_sub(1), None)
    }

    /// Removes all checkpoints.
    pub fn discard_all(&self) -> Result<(), Error> {
        self.prune(<[PathBuf]>::len, None)
    }

    /// Removes all checkpoints and their folder.
    pub fn clear(self) -> Result<(), Error> {
        self.discard_all()?;
        // If another runner uses the folder, that runner removes it.
        if lock::locked(self.lock.try_lock()).map_err(Error::io("lock", &self.folder))? {
            files::remove(&self.folder).map_err(Error::io("remove", &self.folder))?;
        }
        Ok(())
    }

    /// Removes the first `count` checkpoints by position, not counting `kept`.
    fn prune(&self, count: impl Fn(&[PathBuf]) -> usize, kept: Option<&Path>) -> Result<(), Error> {
        let mut folders = self.folders()?;
        folders.retain(|folder| Some(folder.as_path()) != kept);
        folders.sort();
        if folders.is_empty() {
            return Ok(());
        }
        for folder in &folders[..count(&folders)] {
            self.discard(folder)?;
        }
        Ok(())
    }

    /// Removes a checkpoint; to other processes it disappears in one step.
    fn discard(&self, folder: &Path) -> Result<(), Error> {
        let aside = self.store.session()?.fresh("discarded");
        match fs::rename(folder, &aside) {
            // Another runner has removed it already.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io("discard", folder)(error)),
            Ok(()) => files::remove(&aside).map_err(Error::io("remove", &aside)),
        }
    }

    fn folders(&self) -> Result<Vec<PathBuf>, Error> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(Error::io("read", &self.folder))? {
            let path = entry.map_err(Error::io("read", &self.folder))?.path();
            if !path.ends_with(LOCK) {
                folders.push(path);
            }
        }
        Ok(folders)
    }

    /// Returns the position and the files of the checkpoint in `folder` if it is complete.
    fn examine(&self, folder: &Path) -> Result<Option<Examined>, Unread> {
        let manifest = examine(folder)?.filter(|manifest| manifest.key == self.key);
        Ok(manifest.map(|manifest| {
            let files = manifest.files.into_keys();
            let files = files.map(|name| (name.clone(), folder.join(name)));
            (manifest.position, files.collect())
        }))
    }
}

/// Position of a checkpoint, and its files by name.
type Examined = (Position, BTreeMap<String, PathBuf>);

/// Reads a whole checkpoint. Returns its manifest if the files match it.
fn examine(folder: &Path) -> Result<Option<Manifest>, Unread> {
    let path = folder.join(MANIFEST);
    let manifest = match files::read(&path) {
        Ok(Found::Bytes(bytes)) => unseal::<Manifest>(&bytes).ok(),
        Ok(Found::Missing | Found::Foreign) => None,
        // There is no such folder.
        Err(error) if files::is_absence(&error) => None,
        Err(error) => return Err(Unread::new(&path, &error)),
    };
    let Some(manifest) = manifest.filter(|manifest| folder.ends_with(name(manifest.position)))
    else {
        return Ok(None);
    };
    for (name, blob) in &manifest.files {
        if !files::is_component(name) {
            return Ok(None);
        }
        let file = folder.join(name);
        let found = files::digest_plain(&file).map_err(|error| Unread::new(&file, &error))?;
        if found != Some((blob.digest, blob.bytes)) {
            return Ok(None);
        }
    }
    Ok(Some(manifest))
}

/// Returns whether the checkpoint in `folder` is complete and in the right place.
pub(super) fn is_sound(folder: &Path) -> Result<bool, Unread> {
    let is_here = |manifest: Manifest| {
        folder
            .parent()
            .is_some_and(|key| key.ends_with(manifest.key.to_string()))
    };
    Ok(examine(folder)?.is_some_and(is_here))
}

/// Returns the folder name of a position. Names sort like positions.
fn name(position: Position) -> String {
    format!("{:08}-{:08}", position.epoch, position.batch)
}
