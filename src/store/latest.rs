//! `latest/<pipeline>/<instance>/<port>/<file>`: the newest outputs as ordinary files.
//!
//! The files are hard links to blobs (copies where the file system has no links) and read-only like them.
//! Keys and results do not depend on this view. Each instance's folder is replaced as a whole.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use contract::{PRIVATE_BYTES, ShowPath};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::files::{self, Found, component, digest_plain, name_of, remove};
use super::flush::folder_of;
use super::inventory::{Reading, Unread, entries};
use super::{Blob, Error, Store, Tree};
use crate::keys::{Digest, Key};

/// File that lists the outputs that a folder shows.
const MARK: &str = ".outputs.json";

#[derive(Serialize, Deserialize)]
pub(super) struct Mark {
    /// Digest of the tree of every port.
    pub outputs: BTreeMap<String, Digest>,
    /// `true` if files had to be copied.
    copied: bool,
    /// Key of the action that made the outputs.
    #[serde(default)]
    key: Option<Key>,
}

/// Folders of instances, each with its mark.
type Marks = Vec<(PathBuf, Mark)>;

/// The outputs of one stage instance, as shown in `latest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub pipeline: String,
    /// For example `cnn[model1]`; a very long name is truncated.
    pub instance: String,
    pub folder: PathBuf,
    /// Digest of the tree of every port.
    pub outputs: BTreeMap<String, Digest>,
}

impl Shown {
    /// Returns the folder that holds the files of an output.
    pub fn port_folder(&self, port: &str) -> PathBuf {
        self.folder.join(component(port))
    }
}

impl Store {
    /// Shows `outputs` (by port) as the newest outputs of `instance`. `key` is that of the action that made them.
    /// Does nothing if they are shown already. Otherwise the old folder is replaced in one step.
    pub fn publish_latest(
        &self,
        pipeline: &str,
        instance: &str,
        key: &Key,
        outputs: &BTreeMap<String, impl Borrow<Tree>>,
    ) -> Result<(), Error> {
        let target = self.view(pipeline, instance);
        if self.shows(&target, key, outputs) {
            return Ok(());
        }

        let folder = folder_of(&target);
        self.create_folder(&folder_of(&folder))?;
        self.create_folder(&folder)?;
        let session = self.session()?;
        let fresh = session.fresh("latest");
        fs::create_dir(&fresh).map_err(Error::io("create", &fresh))?;
        let mut mark = Mark {
            outputs: BTreeMap::new(),
            copied: false,
            key: Some(*key),
        };
        for (port, tree) in outputs {
            let tree: &Tree = tree.borrow();
            mark.outputs.insert(port.clone(), tree.digest);
            for (name, blob) in &tree.files {
                let file = fresh.join(component(port)).join(name);
                mark.copied |= !self.show(blob, &file)?;
            }
            for name in &tree.folders {
                let folder = fresh.join(component(port)).join(name);
                files::create_folders(&folder).map_err(Error::io("create", &folder))?;
            }
        }
        let mark = serde_json::to_vec(&mark).map_err(|source| Error::Serialize {
            what: "the mark of published outputs",
            source,
        })?;
        fs::write(fresh.join(MARK), mark).map_err(Error::io("write", &fresh))?;
        swap(&fresh, &target, &session.fresh("replaced")).map_err(Error::io("publish", &target))
    }

    /// Stops showing outputs of `instance` other than `outputs`, which are not here.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub fn withdraw_latest(
        &self,
        pipeline: &str,
        instance: &str,
        outputs: &BTreeMap<String, Digest>,
    ) -> Result<(), Error> {
        let target = self.view(pipeline, instance);
        match read_mark(&target) {
            None => return Ok(()),
            Some(Reading::Sound(mark)) if mark.outputs == *outputs => return Ok(()),
            Some(_) => {}
        }
        let session = self.session()?;
        match fs::rename(&target, session.fresh("replaced")) {
            Err(error) if !files::is_absence(&error) => Err(Error::io("remove", &target)(error)),
            _ => Ok(()),
        }
    }

    /// Links a blob to `file`, or copies it; returns whether it was linked. Linking changes the blob's stamp,
    /// so a large blob that is known to be sound is watched meanwhile and need not be read again.
    fn show(&self, blob: &Blob, file: &Path) -> Result<bool, Error> {
        let is_large = blob.bytes > PRIVATE_BYTES;
        let watch = is_large.then(|| self.watch(&blob.digest)).flatten();
        let watch = watch.filter(|_| self.is_known(blob));
        let linked = link(&self.blob_path(&blob.digest), file)?;
        if let Some(watch) = watch {
            self.remember_watched(blob, &watch);
        }
        Ok(linked)
    }

    /// Returns whether `outputs` are shown as those of `instance`. Compares links and sizes without reading the files.
    pub fn is_shown(
        &self,
        pipeline: &str,
        instance: &str,
        key: &Key,
        outputs: &BTreeMap<String, impl Borrow<Tree>>,
    ) -> bool {
        self.shows(&self.view(pipeline, instance), key, outputs)
    }

    /// Returns the folder that shows the newest outputs of an instance.
    fn view(&self, pipeline: &str, instance: &str) -> PathBuf {
        self.latest_folder(pipeline).join(component(instance))
    }

    /// Returns the folder that shows the newest outputs of a pipeline.
    pub fn latest_folder(&self, pipeline: &str) -> PathBuf {
        self.root.join("latest").join(component(pipeline))
    }

    /// Returns whether `target` shows exactly the outputs in its mark. `sound` are the blobs that were found right or
    /// could not be read.
    pub(super) fn shows_exactly(
        &self,
        target: &Path,
        sound: &HashSet<Digest>,
    ) -> Result<bool, Unread> {
        let mark = match read_mark(target) {
            Some(Reading::Sound(mark)) => mark,
            Some(Reading::Refused(unread)) => return Err(unread),
            Some(Reading::Damaged) | None => return Ok(false),
        };
        for (port, digest) in &mark.outputs {
            // Without its tree a port cannot be compared; the next run publishes it again.
            let tree = match self.peek_tree(digest) {
                Ok(tree) => tree,
                Err(Error::Io { path, source, .. }) => return Err(Unread::new(&path, &source)),
                Err(_) => continue,
            };
            let folder = target.join(component(port));
            for name in &tree.folders {
                let shown = folder.join(name);
                let is_shown = files::is(&shown, fs::Metadata::is_dir);
                if !is_shown.map_err(|error| Unread::new(&shown, &error))? {
                    return Ok(false);
                }
            }
            for (name, blob) in &tree.files {
                let shown = folder.join(name);
                let is_right = if is_same(&shown, &self.blob_path(&blob.digest)) {
                    sound.contains(&blob.digest)
                } else {
                    let found = digest_plain(&shown);
                    let found = found.map_err(|error| Unread::new(&shown, &error))?;
                    found == Some((blob.digest, blob.bytes))
                };
                if !is_right {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Returns everything that `latest` shows. Logs a warning for each mark that is
    /// damaged or cannot be read.
    pub fn shown(&self) -> Result<Vec<Shown>, Error> {
        let (marks, unknown) = self.marks()?;
        for Unread { path, why } in unknown {
            tracing::warn!("`{}` {why}; it is ignored", path.shown());
        }
        let name = |path: &Path| name_of(&path.file_name().unwrap_or_default().to_string_lossy());
        let shown = marks.into_iter().map(|(folder, mark)| Shown {
            pipeline: name(folder.parent().unwrap_or(&folder)),
            instance: name(&folder),
            folder,
            outputs: mark.outputs,
        });
        Ok(shown.collect())
    }

    /// Returns the trees that `latest` shows, and the marks that are damaged or cannot be read.
    pub(super) fn shown_trees(&self) -> Result<(HashSet<Digest>, Vec<Unread>), Error> {
        let (marks, unknown) = self.marks()?;
        let trees = marks.into_iter();
        let trees = trees.flat_map(|(_, mark)| mark.outputs.into_values());
        Ok((trees.collect(), unknown))
    }

    /// Returns the mark of each folder that shows an instance, and the marks that are damaged or cannot be
    /// read. A folder without a mark is not the store's and is left out.
    fn marks(&self) -> Result<(Marks, Vec<Unread>), Error> {
        let (mut marks, mut unknown) = (Vec::new(), Vec::new());
        for pipeline in entries(&self.root.join("latest"))? {
            for instance in entries(&pipeline.path)? {
                match read_mark(&instance.path) {
                    Some(Reading::Sound(mark)) => marks.push((instance.path, mark)),
                    Some(Reading::Refused(unread)) => unknown.push(unread),
                    Some(Reading::Damaged) => unknown.push(Unread {
                        path: instance.path.join(MARK),
                        why: "is damaged".to_owned(),
                    }),
                    None => {}
                }
            }
        }
        Ok((marks, unknown))
    }

    fn shows(
        &self,
        target: &Path,
        key: &Key,
        outputs: &BTreeMap<String, impl Borrow<Tree>>,
    ) -> bool {
        // An unreadable mark is replaced together with its folder, which is only a view.
        let Some(Reading::Sound(mark)) = read_mark(target) else {
            return false;
        };
        let trees = || outputs.iter().map(|(port, tree)| (port, tree.borrow()));
        let digests = trees().map(|(port, tree)| (port, &tree.digest));
        mark.key == Some(*key)
            && mark.outputs.iter().eq(digests)
            && trees().all(|(port, tree)| {
                let folder = target.join(component(port));
                let mut folders = tree.folders.iter();
                folders.all(|name| is_folder(&folder.join(name)))
                    && tree.files.iter().all(|(name, blob)| {
                        let shown = folder.join(name);
                        is_same(&shown, &self.blob_path(&blob.digest))
                            || (mark.copied
                                && fs::symlink_metadata(&shown).is_ok_and(|metadata| {
                                    metadata.is_file() && metadata.len() == blob.bytes
                                }))
                    })
            })
    }
}

/// Reads the mark of a folder. `None` if it has none.
pub(super) fn read_mark(target: &Path) -> Option<Reading<Mark>> {
    let path = target.join(MARK);
    Some(match files::read(&path) {
        Ok(Found::Missing) => return None,
        Ok(Found::Foreign) => Reading::Damaged,
        Ok(Found::Bytes(bytes)) => {
            serde_json::from_slice(&bytes).map_or(Reading::Damaged, Reading::Sound)
        }
        // There is a file in place of the folder.
        Err(error) if files::is_absence(&error) => return None,
        Err(error) => Reading::Refused(Unread::new(&path, &error)),
    })
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Returns whether two paths are links to the same file.
fn is_same(a: &Path, b: &Path) -> bool {
    let id = |path| fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    matches!((id(a), id(b)), (Ok(a), Ok(b)) if a == b)
}

/// Creates `file` as a link to `blob`, or as a copy with the same mode if linking fails. Returns whether it is a link.
pub(super) fn link(blob: &Path, file: &Path) -> Result<bool, Error> {
    let folder = file.parent().unwrap_or(Path::new("."));
    files::create_folders(folder).map_err(Error::io("create", folder))?;
    let linked = fs::hard_link(blob, file).is_ok();
    if !linked {
        files::copy(blob, file).map_err(Error::io("publish", blob))?;
    }
    Ok(linked)
}

/// Moves the folder `fresh` to `target` and removes what was there.
fn swap(fresh: &Path, target: &Path, aside: &Path) -> io::Result<()> {
    loop {
        match renameat_with(CWD, fresh, CWD, target, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) => {}
            Err(Errno::INVAL | Errno::NOSYS) => break,
            Err(error) => return Err(error.into()),
        }
        match renameat_with(CWD, fresh, CWD, target, RenameFlags::EXCHANGE) {
            Ok(()) => return remove(fresh),
            Err(Errno::NOENT) => {}
            Err(Errno::INVAL | Errno::NOSYS) => break,
            Err(error) => return Err(error.into()),
        }
    }
    // The file system cannot exchange names: for a moment there is no folder, but never half of one.
    match fs::rename(target, aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::rename(fresh, target)?,
    }
    remove(aside)
}
