//! The content-addressed storage: blobs and trees under their digests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::{ShowPath, lock};
use rayon::prelude::*;

use super::files::{self, Found, Opened};
use super::hashing::digest_before;
use super::{Blob, Deadline, Error, FileStamp, Store, Tree, WriteWatch};
use crate::keys::Digest;

impl Store {
    /// Reads the tree under `digest`. A damaged one is set aside.
    pub fn tree(&self, digest: &Digest) -> Result<Tree, Error> {
        let tree = self.peek_tree(digest);
        if matches!(tree, Err(Error::Tree { damaged: true, .. })) {
            self.set_aside(&self.tree_path(digest))?;
        }
        tree
    }

    pub(super) fn remember_tree(&self, tree: &Tree) {
        let mut known = lock(&self.trees);
        known
            .entry(tree.digest)
            .or_insert_with(|| Arc::new(tree.clone()));
    }

    /// Like `tree`, but does not read the disk if this instance has made the tree or has looked
    /// up a record that names it.
    pub(super) fn cached_tree(&self, digest: &Digest) -> Result<Arc<Tree>, Error> {
        let known = lock(&self.trees);
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
            Found::Missing => Err(error(false)),
            Found::Foreign => Err(error(true)),
        }
    }

    /// Verifies an output and reads files of it, in the order of `names`. `None` unless the output has all of them.
    ///
    /// # Errors
    /// A sentence, if the output is incomplete or damaged, or if a file is larger than [`contract::files::MOST_TEXT`].
    pub fn read_files(
        &self,
        output: &Digest,
        names: &[&str],
    ) -> Result<Option<Vec<Vec<u8>>>, String> {
        let results = self.results();
        let tree = results.get(output).map_err(|e| e.to_string())?;
        let blobs: Option<Vec<&Blob>> = names.iter().map(|name| tree.files.get(*name)).collect();
        let Some(blobs) = blobs else {
            return Ok(None);
        };
        results.verify(&tree).map_err(|e| e.to_string())?;
        let content = |blob: &Blob| {
            let path = self.blob_path(&blob.digest);
            contract::files::read(&path, contract::files::MOST_TEXT)
                .map_err(|e| format!("failed to read `{}`: {e}", path.shown()))
        };
        blobs
            .into_iter()
            .map(content)
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Returns the path of the blob under `digest`, whether or not it exists. The file must not be written to.
    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_string();
        self.home.join("cas").join(&hex[..2]).join(hex)
    }

    /// Returns the paths of the files of `tree`, by name. They must not be written to.
    pub fn files_of(&self, tree: &Tree) -> BTreeMap<String, PathBuf> {
        let files = tree.files.iter();
        files
            .map(|(name, blob)| (name.clone(), self.blob_path(&blob.digest)))
            .collect()
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
            if self.ensure_sound(blob, deadline)? {
                return Ok(());
            }
            Err(error(true))
        })
    }

    /// Returns whether all blobs of `tree` exist with the right sizes. Reads none of them.
    pub(super) fn is_complete(&self, tree: &Tree) -> Result<bool, Error> {
        for blob in tree.files.values() {
            let path = self.blob_path(&blob.digest);
            let is_right = |there: &fs::Metadata| there.is_file() && there.len() == blob.bytes;
            if !files::is(&path, is_right).map_err(Error::io("access", &path))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the state of a blob. Reads the blob, unless it was found sound before and was not written to since.
    fn state(&self, blob: &Blob, deadline: &Deadline<'_>) -> Result<State, Error> {
        let path = self.blob_path(&blob.digest);
        if self.is_known(blob) {
            return Ok(State::Sound);
        }
        let file = match files::open(&path) {
            Ok(Opened::File(file)) => file,
            Ok(Opened::Missing) => return Ok(State::Missing),
            Ok(Opened::Foreign) => return Ok(State::Bad),
            Err(error) if files::is_absence(&error) => return Ok(State::Missing),
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        let read = file.metadata().and_then(|metadata| {
            let digest = digest_before(&file, metadata.len(), deadline)?;
            Ok((digest, FileStamp::of(&metadata)))
        });
        let (found, before) = read.map_err(Error::io("read", &path))?;
        if found != (blob.digest, blob.bytes) {
            return Ok(State::Bad);
        }
        self.remember(&blob.digest, before);
        Ok(State::Sound)
    }

    /// Returns whether the blob was found sound before and cannot have changed since.
    pub fn is_known(&self, blob: &Blob) -> bool {
        let now = stamp(&self.blob_path(&blob.digest));
        let verified = lock(&self.verified);
        now.is_some() && verified.get(&blob.digest).copied() == now
    }

    /// Returns whether the blob exists and is sound. Anything else at its path is set aside.
    pub(super) fn ensure_sound(&self, blob: &Blob, deadline: &Deadline<'_>) -> Result<bool, Error> {
        match self.state(blob, deadline)? {
            State::Missing => return Ok(false),
            State::Sound => return Ok(true),
            State::Bad => {}
        }
        let _repairing = lock(&self.repairing);
        // Another thread may have replaced it since, or set it aside.
        match self.state(blob, deadline)? {
            State::Missing => return Ok(false),
            State::Sound => return Ok(true),
            State::Bad => {}
        }
        let path = self.blob_path(&blob.digest);
        // Must come first: once the blob is gone, nothing looks for its readers.
        self.set_aside_readers(&blob.digest)?;
        self.set_aside(&path)?;
        Ok(false)
    }

    /// Watches the blob under `digest` for writers. `None` if that is not possible.
    pub fn watch(&self, digest: &Digest) -> Option<WriteWatch> {
        match files::open(&self.blob_path(digest)) {
            Ok(Opened::File(file)) => WriteWatch::watch(file).ok(),
            _ => None,
        }
    }

    /// Remembers that the blob is sound with its present stamp, unless it was written to since `watch` began. The
    /// blob must have been sound when `watch` began. This is needed because adding or removing a link changes the
    /// stamp.
    pub fn remember_watched(&self, blob: &Blob, watch: &WriteWatch) {
        let Some(stamp) = stamp(&self.blob_path(&blob.digest)) else {
            return;
        };
        let is_it = watch
            .file()
            .metadata()
            .is_ok_and(|metadata| FileStamp::of(&metadata) == stamp);
        // Waiting is faster than reading the blob again.
        if is_it && stamp.wait_until_reliable() && watch.is_unwritten() {
            self.remember(&blob.digest, stamp);
        }
    }

    /// Remembers that the blob was sound when it had this stamp, provided that any later
    /// write changes the stamp.
    pub(super) fn remember(&self, digest: &Digest, stamp: FileStamp) {
        let mut verified = lock(&self.verified);
        if stamp.is_reliable() {
            verified.insert(*digest, stamp);
        } else {
            verified.remove(digest);
        }
    }
}

/// State of a blob.
enum State {
    Missing,
    Sound,
    /// Other content, or no regular file.
    Bad,
}

/// Returns whether there is anything at `path`. A dangling link counts.
fn exists(path: &Path) -> Result<bool, Error> {
    files::exists(path).map_err(Error::io("access", path))
}

/// Returns the stamp of the regular file at `path`. `None` if there is none.
fn stamp(path: &Path) -> Option<FileStamp> {
    let metadata = fs::symlink_metadata(path).ok()?;
    metadata.is_file().then(|| FileStamp::of(&metadata))
}
