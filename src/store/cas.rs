//! The content-addressed storage: blobs and trees under their digests.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use rayon::prelude::*;

use super::files::{self, Found, Opened};
use super::hashing::digest_before;
use super::{Blob, Deadline, Digest, Error, Stamp, Store, Tree, Unwritten};

impl Store {
    /// Reads the tree under `digest`. A damaged one is set aside.
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

    /// Like `tree`, but does not read the disk if this instance has made the tree or has looked
    /// up a record that names it.
    pub fn tree_at_hand(&self, digest: &Digest) -> Result<Arc<Tree>, Error> {
        let known = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = known.get(digest) {
            return Ok(Arc::clone(tree));
        }
        drop(known);
        self.tree(digest).map(Arc::new)
    }

    /// Like `tree`, but changes nothing.
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

    /// Returns the path of the blob under `digest`, whether or not it exists. The
    /// file must not be written to.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_string();
        self.home.join("cas").join(&hex[..2]).join(hex)
    }

    pub(super) fn tree_path(&self, digest: &Digest) -> PathBuf {
        self.blob_path(digest).with_extension("tree")
    }

    /// Checks that the blobs of `tree` have the right content. Each blob is read and hashed the first time
    /// that this instance verifies it. A damaged one is set aside.
    pub fn verify(&self, tree: &Tree) -> Result<(), Error> {
        self.verify_before(tree, &Deadline::NONE)
    }

    /// Like [`Store::verify`], but gives up at a deadline.
    pub fn verify_before(&self, tree: &Tree, deadline: &Deadline<'_>) -> Result<(), Error> {
        tree.files.par_iter().try_for_each(|(name, blob)| {
            let error = |damaged| Error::Blob {
                name: name.clone(),
                digest: blob.digest,
                damaged,
            };
            let path = self.blob_path(&blob.digest);
            if !exists(&path)? {
                return Err(error(false));
            }
            if self.has(blob, deadline)? {
                return Ok(());
            }
            Err(error(true))
        })
    }

    /// Whether all blobs of `tree` exist with the right sizes. Reads none of them.
    pub(super) fn is_complete(&self, tree: &Tree) -> Result<bool, Error> {
        for blob in tree.files.values() {
            let path = self.blob_path(&blob.digest);
            let is_right = |there: &fs::Metadata| there.is_file() && there.len() == blob.bytes;
            if !files::is(&path, is_right).map_err(Error::io("look at", &path))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the blob has the right content. It is read unless it was verified before and has
    /// not been written to since.
    fn is_sound(&self, blob: &Blob, deadline: &Deadline<'_>) -> Result<bool, Error> {
        let path = self.blob_path(&blob.digest);
        if self.is_known(blob) {
            return Ok(true);
        }
        let file = match files::open(&path).map_err(Error::io("read", &path))? {
            Opened::File(file) => file,
            // Another thread or process found it damaged and has just set it aside.
            Opened::Nothing | Opened::Foreign => return Ok(false),
        };
        let read = file.metadata().and_then(|metadata| {
            let digest = digest_before(&file, metadata.len(), deadline)?;
            Ok((digest, Stamp::of(&metadata)))
        });
        let (found, before) = read.map_err(Error::io("read", &path))?;
        if found != (blob.digest, blob.bytes) {
            return Ok(false);
        }
        self.remember(&blob.digest, before);
        Ok(true)
    }

    /// Whether the blob was found sound before and cannot have changed since.
    pub fn is_known(&self, blob: &Blob) -> bool {
        let now = stamp(&self.blob_path(&blob.digest));
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        now.is_some() && verified.get(&blob.digest).copied() == now
    }

    /// Whether the blob exists and is sound. Anything else at its path is set aside.
    pub(super) fn has(&self, blob: &Blob, deadline: &Deadline<'_>) -> Result<bool, Error> {
        let path = self.blob_path(&blob.digest);
        if !exists(&path)? {
            return Ok(false);
        }
        if self.is_sound(blob, deadline)? {
            return Ok(true);
        }
        let _mending = self.mending.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have replaced it by a sound one, which must stay.
        if !exists(&path)? {
            return Ok(false);
        }
        if self.is_sound(blob, deadline)? {
            return Ok(true);
        }
        // Must come first: once the blob is gone, nothing looks for its readers.
        self.doubt_readers(&blob.digest)?;
        self.set_aside(&path)?;
        Ok(false)
    }

    /// Watches the blob under `digest` for writers. `None` if that is not possible.
    pub fn watch(&self, digest: &Digest) -> Option<Unwritten> {
        match files::open(&self.blob_path(digest)) {
            Ok(Opened::File(file)) => Unwritten::watch(file).ok(),
            _ => None,
        }
    }

    /// Remembers that the blob is sound as it is now, unless it was written to since `watch` began. It must
    /// have been sound then. This is needed because each link added or removed changes the stamp.
    pub fn remember_watched(&self, blob: &Blob, watch: &Unwritten) {
        let Some(stamp) = stamp(&self.blob_path(&blob.digest)) else {
            return;
        };
        let is_it = watch
            .file()
            .metadata()
            .is_ok_and(|metadata| Stamp::of(&metadata) == stamp);
        // Waiting is faster than reading the blob again.
        if is_it && stamp.wait_until_settled() && watch.is_unwritten() {
            self.remember(&blob.digest, stamp);
        }
    }

    /// Remembers that the blob was sound when it had this stamp, provided that any later
    /// write changes the stamp.
    pub(super) fn remember(&self, digest: &Digest, stamp: Stamp) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if stamp.is_settled() {
            verified.insert(*digest, stamp);
        } else {
            verified.remove(digest);
        }
    }
}

/// Whether there is anything at `path`. A dangling link counts.
fn exists(path: &Path) -> Result<bool, Error> {
    files::exists(path).map_err(Error::io("look at", path))
}

/// Returns the stamp of the regular file at `path`. `None` if there is none.
fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::symlink_metadata(path).ok()?;
    metadata.is_file().then(|| Stamp::of(&metadata))
}
