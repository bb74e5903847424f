//! Content-addressed storage: blobs and trees under their digests.

use std::collections::BTreeMap;
use std::fs::{self, FileType, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use rayon::prelude::*;

use super::files::{self, Found, digest, exists};
use super::flush::folder_of;
use super::session::Session;
use super::{Blob, Digest, Error, Stamp, Store, Tree};

impl Store {
    /// Takes a file, or the files below a folder, into the store and gives their tree. It is on disk
    /// once a [record](Store::record) is.
    ///
    /// Files are moved, not copied; one whose content is there already is left where it is. Refuses
    /// links, special files, and names that are not UTF-8 or hold a backslash or control character.
    pub fn ingest(&self, path: &Path) -> Result<Tree, Error> {
        let mut found = BTreeMap::new();
        match fs::symlink_metadata(path).map_err(Error::io("read", path))? {
            metadata if metadata.is_dir() => collect(path, "", &mut found)?,
            metadata => add("", path, metadata.file_type(), &mut found)?,
        }
        let session = self.session()?;
        let blobs: Vec<Blob> = found
            .par_iter()
            .map(|(_, file)| self.take_in(file, &session))
            .collect::<Result<_, _>>()?;
        // Those that were there, too: whoever put them there may not have flushed them yet.
        for blob in &blobs {
            let path = self.blob_path(&blob.digest);
            self.to_flush([folder_of(&path), path]);
        }

        let tree = Tree::new(found.into_keys().zip(blobs).collect())?;
        let path = self.tree_path(&tree.digest);
        let bytes = tree.encode()?;
        if fs::read(&path).ok().as_ref() != Some(&bytes) {
            self.create_shard(&path)?;
            self.make_way(&path)?;
            session.write(&path, &bytes)?;
        }
        self.to_flush([folder_of(&path), path]);
        self.have_at_hand(&tree);
        Ok(tree)
    }

    /// Moves one file in, unless its content is there.
    fn take_in(&self, file: &Path, session: &Session) -> Result<Blob, Error> {
        let metadata = fs::metadata(file).map_err(Error::io("read", file))?;
        // Other names of the same file are not ours to make read-only.
        if metadata.nlink() == 1 {
            match self.take_in_itself(file, &metadata) {
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::CrossesDevices => {
                }
                taken => return taken,
            }
        }
        let copy = copy(file, session)?;
        let metadata = fs::metadata(&copy).map_err(Error::io("read", &copy))?;
        self.take_in_itself(&copy, &metadata)
    }

    fn take_in_itself(&self, file: &Path, metadata: &Metadata) -> Result<Blob, Error> {
        let (digest, bytes) = digest(file).map_err(Error::io("read", file))?;
        let blob = Blob { digest, bytes };
        if self.has(&blob)? {
            return Ok(blob);
        }
        let path = self.blob_path(&digest);
        self.create_shard(&path)?;
        place(file, &path)?;
        // From before it was read: whoever has it open still, and writes to it, is found out.
        self.remember(&digest, Stamp::of(metadata));
        Ok(blob)
    }

    /// The tree under `digest`. A damaged one is set aside.
    pub fn tree(&self, digest: &Digest) -> Result<Tree, Error> {
        let tree = self.peek_tree(digest);
        if matches!(tree, Err(Error::Tree { damaged: true, .. })) {
            self.set_aside(&self.tree_path(digest))?;
        }
        tree
    }

    pub(super) fn have_at_hand(&self, tree: &Tree) {
        let mut known = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .entry(tree.digest)
            .or_insert_with(|| Arc::new(tree.clone()));
    }

    /// As `tree`, without a look at the disk where this instance has made it, or has looked up a record
    /// that names it.
    pub fn tree_at_hand(&self, digest: &Digest) -> Result<Arc<Tree>, Error> {
        let known = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = known.get(digest) {
            return Ok(Arc::clone(tree));
        }
        drop(known);
        self.tree(digest).map(Arc::new)
    }

    /// As `tree`, leaving everything where it is.
    pub fn peek_tree(&self, digest: &Digest) -> Result<Tree, Error> {
        let path = self.tree_path(digest);
        let error = |damaged| Error::Tree {
            digest: *digest,
            damaged,
        };
        match files::read(&path).map_err(Error::io("read", &path))? {
            Found::Bytes(bytes) => Tree::decode(digest, &bytes).map_err(|_| error(true)),
            Found::Nothing => Err(error(false)),
            Found::Foreign => Err(error(true)),
        }
    }

    /// Where the blob under `digest` is, if it is there. Not to be written to.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_string();
        self.home.join("cas").join(&hex[..2]).join(hex)
    }

    pub(super) fn tree_path(&self, digest: &Digest) -> PathBuf {
        self.blob_path(digest).with_extension("tree")
    }

    /// Whether the blobs of `tree` hold what they should: each is read and hashed the first time
    /// that this instance is asked about it. A damaged one is set aside.
    pub fn verify(&self, tree: &Tree) -> Result<(), Error> {
        tree.files.par_iter().try_for_each(|(name, blob)| {
            let error = |damaged| Error::Blob {
                name: name.clone(),
                digest: blob.digest,
                damaged,
            };
            let path = self.blob_path(&blob.digest);
            if !exists(&path) {
                return Err(error(false));
            }
            if self.has(blob)? {
                return Ok(());
            }
            Err(error(true))
        })
    }

    /// How the blobs of `tree` were when they were last found right; nothing of those that never were.
    pub fn verified_stamps(&self, tree: &Tree) -> Vec<Option<Stamp>> {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = tree.files.values();
        stamps
            .map(|blob| verified.get(&blob.digest).copied())
            .collect()
    }

    /// How the blobs of `tree` are now.
    pub fn stamps(&self, tree: &Tree) -> Vec<Option<Stamp>> {
        let blobs = tree.files.values();
        let stamp = |blob: &Blob| stamp(&self.blob_path(&blob.digest));
        blobs.map(stamp).collect()
    }

    /// Whether all blobs of `tree` are there with their right sizes; reads none.
    pub(super) fn is_complete(&self, tree: &Tree) -> bool {
        tree.files.values().all(|blob| {
            fs::symlink_metadata(self.blob_path(&blob.digest))
                .is_ok_and(|metadata| metadata.is_file() && metadata.len() == blob.bytes)
        })
    }

    /// Whether the blob holds what it should. It is read unless it was before, and was not written to
    /// since.
    fn is_sound(&self, blob: &Blob) -> Result<bool, Error> {
        let path = self.blob_path(&blob.digest);
        let Some(now) = stamp(&path) else {
            return Ok(false);
        };
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.get(&blob.digest) == Some(&now) {
            return Ok(true);
        }
        drop(verified);
        let sound = match digest(&path) {
            Ok(found) => found == (blob.digest, blob.bytes),
            // Someone else found it damaged and has just set it aside.
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        if sound {
            self.remember(&blob.digest, now);
        }
        Ok(sound)
    }

    /// Whether the blob is there and sound. What is in its place and is not, is set aside.
    fn has(&self, blob: &Blob) -> Result<bool, Error> {
        let path = self.blob_path(&blob.digest);
        if !exists(&path) {
            return Ok(false);
        }
        if self.is_sound(blob)? {
            return Ok(true);
        }
        let _mending = self.mending.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have put a sound one there since: that one stays.
        if !exists(&path) {
            return Ok(false);
        }
        if self.is_sound(blob)? {
            return Ok(true);
        }
        self.set_aside(&path)?;
        Ok(false)
    }

    /// That the blob was right; `stamp` is from before it was read.
    fn remember(&self, digest: &Digest, stamp: Stamp) {
        self.verified
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(*digest, stamp);
    }

    fn create_shard(&self, path: &Path) -> Result<(), Error> {
        let shard = path.parent().unwrap_or(Path::new("."));
        if self.create_folder(shard)? {
            self.to_flush([self.home.join("cas")]);
        }
        Ok(())
    }
}

/// The stamp of a plain file, if there is one.
fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::symlink_metadata(path).ok()?;
    metadata.is_file().then(|| Stamp::of(&metadata))
}

/// Makes `file` read-only and gives it its name.
fn place(file: &Path, path: &Path) -> Result<(), Error> {
    fs::set_permissions(file, Permissions::from_mode(0o444))
        .map_err(Error::io("make read-only", file))?;
    fs::rename(file, path).map_err(Error::io("move into the store", file))
}

fn copy(file: &Path, session: &Session) -> Result<PathBuf, Error> {
    let fresh = session.fresh("copy");
    fs::copy(file, &fresh).map_err(Error::io("copy", file))?;
    Ok(fresh)
}

/// Adds every file below `folder` to `found`, by its path in the tree.
fn collect(
    folder: &Path,
    prefix: &str,
    found: &mut BTreeMap<String, PathBuf>,
) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(Error::io("read", &path))?;
        add(prefix, &path, kind, found)?;
    }
    Ok(())
}

/// Adds a file, or what is in a folder.
fn add(
    prefix: &str,
    path: &Path,
    kind: FileType,
    found: &mut BTreeMap<String, PathBuf>,
) -> Result<(), Error> {
    let refuse = |why| {
        Err(Error::Unstorable {
            path: path.to_owned(),
            why,
        })
    };
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return refuse("its name is not UTF-8");
    };
    if name.contains(|character: char| character == '\\' || character.is_control()) {
        return refuse("its name holds a backslash or control character");
    }
    let name = format!("{prefix}{name}");
    if kind.is_dir() {
        collect(path, &format!("{name}/"), found)?;
    } else if kind.is_file() {
        found.insert(name, path.to_owned());
    } else if kind.is_symlink() {
        return refuse("it is a symbolic link; only plain files can be kept");
    } else {
        return refuse("it is a special file; only plain files can be kept");
    }
    Ok(())
}
