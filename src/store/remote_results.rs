//! Results that are in a shared cache: found there by key, and copied into the local folder when something reads them.
//!
//! `remote/<key>.json` holds a record that the [`Remote`] returned. Its outputs may be missing here. The record is
//! trusted as little as the place that it comes from: it names outputs by digest, and every byte is checked against
//! these digests before it gets a name in the local folder. A record that another process kept is not used: that process
//! may have trusted another place, or other keys. If one output cannot be copied, the record is void: this
//! process ignores it from then on, so the stage is a miss.
//!
//! Once all its outputs are here, a record moves to the action cache.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use contract::lock;
use rayon::prelude::*;

use super::files::{self, Found};
use super::sealed::seal;
use super::{ActionRecord, Blob, Deadline, Error, Lookup, Remote, Store, Tree};
use crate::keys::{Digest, Key};

/// Records that this process has found in the shared cache.
#[derive(Debug, Default)]
pub(super) struct RemoteRecords {
    /// Keys of the records that name an output.
    keys: BTreeMap<Digest, BTreeSet<Key>>,
    /// Keys under which this process keeps a record of the shared cache.
    kept: HashSet<Key>,
    /// Keys of records with an output that could not be copied.
    void: HashSet<Key>,
}

impl Store {
    /// Uses the results of a shared cache from now on, and passes new results on to it.
    pub fn attach(&mut self, remote: Arc<dyn Remote>) {
        self.remote = Some(remote);
    }

    /// Returns the shared cache.
    pub fn remote(&self) -> Option<&Arc<dyn Remote>> {
        self.remote.as_ref()
    }

    /// Returns whether an output is completely in the local folder.
    pub fn is_here(&self, output: &Digest) -> Result<bool, Error> {
        match self.peek_tree(output) {
            Ok(tree) => self.is_complete(&tree),
            Err(Error::Tree { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Looks up in the shared cache what the local folder does not have.
    pub(super) fn look_up_elsewhere(
        &self,
        keys: &[Key],
        lookups: &mut [Lookup],
    ) -> Result<(), Error> {
        let Some(remote) = self.remote() else {
            return Ok(());
        };
        let mut missing = Vec::new();
        for (position, key) in keys.iter().enumerate() {
            if matches!(lookups[position], Lookup::Hit(_)) {
                continue;
            }
            match self.remote_record(key)? {
                Some(record) => lookups[position] = self.remember_remote(record),
                None if lock(&self.remote_records).void.contains(key) => {}
                None => missing.push(position),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let asked: Vec<Key> = missing.iter().map(|&position| keys[position]).collect();
        let answers = remote.look_up(&asked);
        for ((position, key), answer) in missing.into_iter().zip(&asked).zip(answers) {
            if let Some(bytes) = answer
                && let Ok(record) = ActionRecord::decode(&bytes, key)
            {
                self.keep_remote(key, &record)?;
                lookups[position] = self.remember_remote(record);
            }
        }
        Ok(())
    }

    /// Keeps a record of the shared cache under a key.
    fn keep_remote(&self, key: &Key, record: &ActionRecord) -> Result<(), Error> {
        let bytes = seal(record).map_err(|source| Error::Serialize {
            what: "an action record",
            source,
        })?;
        let path = self.remote_path(key);
        self.create_folder(&self.home.join("remote"))?;
        self.set_aside_foreign(&path)?;
        self.session()?.write(&path, &bytes)?;
        lock(&self.remote_records).kept.insert(*key);
        Ok(())
    }

    /// Returns the record of the shared cache that this process keeps under a key, unless it is void.
    fn remote_record(&self, key: &Key) -> Result<Option<ActionRecord>, Error> {
        let remote_records = lock(&self.remote_records);
        if !remote_records.kept.contains(key) || remote_records.void.contains(key) {
            return Ok(None);
        }
        drop(remote_records);
        let path = self.remote_path(key);
        match files::read(&path).map_err(Error::io("read", &path))? {
            Found::Bytes(bytes) => Ok(ActionRecord::decode(&bytes, key).ok()),
            Found::Missing | Found::Foreign => Ok(None),
        }
    }

    /// Remembers which record names the outputs, and returns it as a hit.
    fn remember_remote(&self, record: ActionRecord) -> Lookup {
        let mut remote_records = lock(&self.remote_records);
        for output in record.outputs.values() {
            let keys = remote_records.keys.entry(*output).or_default();
            keys.extend([record.action_key, record.content_key]);
        }
        Lookup::Hit(Box::new(record))
    }

    /// Keeps a record under its action key if its outputs are not all here. Returns whether that is so.
    pub(super) fn keep_remote_under(&self, record: &ActionRecord) -> Result<bool, Error> {
        let is_remote = self.remote.is_some() && !self.has_all(record)?;
        if is_remote {
            self.keep_remote(&record.action_key, record)?;
            self.remember_remote(record.clone());
        }
        Ok(is_remote)
    }

    fn has_all(&self, record: &ActionRecord) -> Result<bool, Error> {
        for output in record.outputs.values() {
            if !self.is_here(output)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Copies those of the outputs that are missing here from the shared cache, many at once. What cannot be copied
    /// stays missing, and the records that name it are void.
    pub(super) fn fetch_missing(&self, outputs: &[Digest]) -> Result<(), Error> {
        let Some(remote) = self.remote() else {
            return Ok(());
        };
        let mut missing = BTreeSet::new();
        for output in outputs {
            if !self.is_here(output)? {
                missing.insert(*output);
            }
        }
        let missing: Vec<Digest> = missing.into_iter().collect();
        if missing.is_empty() {
            return self.keep_complete(outputs);
        }
        let trees: Vec<Option<Tree>> = remote
            .trees(&missing)
            .into_iter()
            .zip(&missing)
            .map(|(bytes, output)| Tree::decode(output, &bytes?).ok())
            .collect();
        let files = trees.iter().flatten().flat_map(|tree| tree.files.values());
        let blobs: BTreeMap<Digest, Blob> = files.map(|blob| (blob.digest, *blob)).collect();
        let here = self.fetch_blobs(&**remote, blobs.into_values().collect())?;
        for (output, tree) in missing.iter().zip(trees) {
            let is_complete =
                |tree: &Tree| tree.files.values().all(|blob| here.contains(&blob.digest));
            match tree.filter(is_complete) {
                Some(tree) => drop(self.write_tree(tree)?),
                None => self.void(output)?,
            }
        }
        self.keep_complete(outputs)
    }

    /// Returns the size of what would be copied if all these outputs were read. Trees that the shared cache does not
    /// have count nothing.
    pub fn bytes_elsewhere(&self, outputs: &BTreeSet<Digest>) -> Result<u64, Error> {
        let Some(remote) = self.remote() else {
            return Ok(0);
        };
        let mut missing = Vec::new();
        for output in outputs {
            if !self.is_here(output)? {
                missing.push(*output);
            }
        }
        let mut blobs = BTreeMap::new();
        for (output, bytes) in missing.iter().zip(remote.trees(&missing)) {
            let tree = bytes.and_then(|bytes| Tree::decode(output, &bytes).ok());
            let files = tree.iter().flat_map(|tree| tree.files.values());
            blobs.extend(files.map(|blob| (blob.digest, blob.bytes)));
        }
        Ok(blobs.into_values().sum())
    }

    /// Copies the blobs that are missing here. Returns those that are here now.
    fn fetch_blobs(&self, remote: &dyn Remote, blobs: Vec<Blob>) -> Result<HashSet<Digest>, Error> {
        let is_here = |blob: &Blob| self.ensure_sound(blob, &Deadline::NONE);
        let are_here: Vec<bool> = blobs.par_iter().map(is_here).collect::<Result<_, _>>()?;
        let split = blobs.into_iter().zip(are_here);
        let (here, missing): (Vec<_>, Vec<_>) = split.partition(|&(_, is_here)| is_here);
        let mut here: HashSet<Digest> = here.iter().map(|(blob, _)| blob.digest).collect();
        let missing: Vec<Blob> = missing.into_iter().map(|(blob, _)| blob).collect();
        let session = self.session()?;
        let files: Vec<PathBuf> = missing.iter().map(|_| session.fresh("fetched")).collect();
        let wanted = missing.iter().copied().zip(files.iter().cloned());
        let fetched = remote.fetch(wanted.collect());
        for ((blob, file), is_fetched) in missing.iter().zip(&files).zip(fetched) {
            if is_fetched && files::digest(file).is_ok_and(|f| f == (blob.digest, blob.bytes)) {
                self.ingest_own_file(file, &Deadline::NONE)?;
                here.insert(blob.digest);
            } else {
                files::remove(file).map_err(Error::io("remove", file))?;
            }
        }
        Ok(here)
    }

    /// Makes the records that name an output void.
    fn void(&self, output: &Digest) -> Result<(), Error> {
        let mut remote_records = lock(&self.remote_records);
        let keys = remote_records.keys.remove(output).unwrap_or_default();
        remote_records.void.extend(keys.iter().copied());
        drop(remote_records);
        for key in keys {
            if let Some(remote) = self.remote() {
                remote.distrust(&key);
            }
            let path = self.remote_path(&key);
            files::remove(&path).map_err(Error::io("remove", &path))?;
        }
        Ok(())
    }

    /// Moves the records whose outputs are all here now to the action cache.
    fn keep_complete(&self, outputs: &[Digest]) -> Result<(), Error> {
        let keys: BTreeSet<Key> = {
            let mut remote_records = lock(&self.remote_records);
            let keys = outputs.iter();
            let keys = keys.filter_map(|output| remote_records.keys.remove(output));
            keys.flatten().collect()
        };
        let mut complete = BTreeMap::new();
        for key in &keys {
            if let Some(record) = self.remote_record(key)?
                && self.has_all(&record)?
            {
                complete.insert(record.action_key, record);
            }
        }
        if complete.is_empty() {
            return Ok(());
        }
        self.record_all(complete.values())?;
        for record in complete.values() {
            for key in [&record.action_key, &record.content_key] {
                let path = self.remote_path(key);
                files::remove(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }

    fn remote_path(&self, key: &Key) -> PathBuf {
        self.home.join("remote").join(format!("{key}.json"))
    }
}
