//! Content-addressed storage: blobs and trees under their digests.

use std::collections::BTreeMap;
use std::fs::{self, FileType, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use rayon::prelude::*;

use super::files::{self, Found, digest, exists};
use super::flush::folder_of;
use super::session::Session;
use super::{Blob, Digest, Error, Store, Tree};

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
        let (digest, bytes) = digest(file).map_err(Error::io("read", file))?;
        let blob = Blob { digest, bytes };
        let path = self.blob_path(&digest);
        if self.has(&blob)? {
            return Ok(blob);
        }
        self.create_shard(&path)?;
        let metadata = fs::metadata(file).map_err(Error::io("read", file))?;
        let moved = if metadata.nlink() == 1 {
            file.to_owned()
        } else {
            // Other names of the same file are not ours to make read-only.
            copy(file, session)?
        };
        place(&moved, &path).or_else(|error| match error {
            Error::Io { ref source, .. } if source.kind() == io::ErrorKind::CrossesDevices => {
                place(&copy(file, session)?, &path)
            }
            error => Err(error),
        })?;
        self.remember(&digest);
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

    /// As `verify`, reading also what this instance has seen before: something wrote to it since.
    pub fn verify_again(&self, tree: &Tree) -> Result<(), Error> {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        for blob in tree.files.values() {
            verified.remove(&blob.digest);
        }
        drop(verified);
        self.verify(tree)
    }

    /// Whether all blobs of `tree` are there with their right sizes; reads none.
    pub(super) fn is_complete(&self, tree: &Tree) -> bool {
        tree.files.values().all(|blob| {
            fs::symlink_metadata(self.blob_path(&blob.digest))
                .is_ok_and(|metadata| metadata.is_file() && metadata.len() == blob.bytes)
        })
    }

    fn is_sound(&self, blob: &Blob) -> Result<bool, Error> {
        if self
            .verified
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&blob.digest)
        {
            return Ok(true);
        }
        let path = self.blob_path(&blob.digest);
        let is_plain = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
        let sound = is_plain
            && match digest(&path) {
                Ok(found) => found == (blob.digest, blob.bytes),
                // Someone else found it damaged and has just set it aside.
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                Err(error) => return Err(Error::io("read", &path)(error)),
            };
        if sound {
            self.remember(&blob.digest);
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

    fn remember(&self, digest: &Digest) {
        self.verified
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(*digest);
    }

    fn create_shard(&self, path: &Path) -> Result<(), Error> {
        let shard = path.parent().unwrap_or(Path::new("."));
        if self.create_folder(shard)? {
            self.to_flush([self.home.join("cas")]);
        }
        Ok(())
    }
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
