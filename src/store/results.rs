//! The interface through which results are used: lookups, records and outputs.
//!
//! Plans and executions use results only through [`Results`], which [`Store::results`] returns. The local folder
//! implements it. If a shared cache is attached ([`Remote`](super::Remote)), it also answers lookups, outputs are
//! copied into the local folder when they are first read, and new records are passed on.
//!
//! Everything else in a store is local by nature and is not part of this interface: staging folders, leases,
//! checkpoints, memos, views and run records.

use std::collections::BTreeSet;
use std::sync::Arc;

use rayon::prelude::*;

use super::{ActionRecord, Deadline, Error, Lookup, Store, Tree};
use crate::keys::{Digest, Fingerprint, Key};

/// Minimum number of lookups per thread.
const LOOKUPS: usize = 32;

/// Results of actions, by key, with their outputs, by digest.
pub trait Results: Sync {
    /// Looks up many keys in one call. Changes nothing. The answers are in the order of `keys`. A hit has all
    /// its outputs, with the right sizes.
    fn look_up(&self, keys: &[Key]) -> Result<Vec<Lookup>, Error>;

    /// Returns the record under an action key or a content key if it is sound and its outputs can be read on this
    /// machine. A damaged record is set aside.
    fn find(&self, key: &Key) -> Result<Option<ActionRecord>, Error>;

    /// Copies those of the outputs that are missing on this machine. The result of a stage whose outputs cannot be
    /// copied is no longer found.
    fn fetch(&self, outputs: &[Digest]) -> Result<(), Error>;

    /// Returns the kinds of processors that computed results, sorted.
    fn processors(&self) -> Result<BTreeSet<String>, Error>;

    /// Returns an output, whose files can then be read on this machine. Their content is not verified yet.
    fn get(&self, output: &Digest) -> Result<Arc<Tree>, Error>;

    /// Checks that the files of an output have the right content, and gives up at a deadline. A damaged file is
    /// set aside.
    fn verify_before(&self, output: &Tree, deadline: &Deadline<'_>) -> Result<(), Error>;

    /// Checks that the files of an output have the right content. A damaged file is set aside.
    fn verify(&self, output: &Tree) -> Result<(), Error> {
        self.verify_before(output, &Deadline::NONE)
    }

    /// Records actions whose outputs were ingested, under both of their keys. They are on disk when this
    /// returns.
    fn put(&self, records: &[&ActionRecord]) -> Result<(), Error>;

    /// Records a result, which was found by its content key, under another action key: that of `fingerprint`.
    /// Returns the new record.
    fn put_under(
        &self,
        record: &ActionRecord,
        action_key: Key,
        fingerprint: &Fingerprint,
    ) -> Result<ActionRecord, Error>;
}

impl Store {
    /// Returns the place where results are kept.
    pub fn results(&self) -> &dyn Results {
        self
    }
}

impl Results for Store {
    fn look_up(&self, keys: &[Key]) -> Result<Vec<Lookup>, Error> {
        let here = keys.par_iter().with_min_len(LOOKUPS);
        let mut lookups: Vec<Lookup> = here
            .map(|key| self.examine(key))
            .collect::<Result<_, _>>()?;
        self.look_up_elsewhere(keys, &mut lookups)?;
        Ok(lookups)
    }

    fn find(&self, key: &Key) -> Result<Option<ActionRecord>, Error> {
        if let Some(record) = self.lookup(key)? {
            return Ok(Some(record));
        }
        let mut lookups = [Lookup::Absent];
        self.look_up_elsewhere(&[*key], &mut lookups)?;
        let [found] = lookups;
        match found {
            Lookup::Hit(record) => {
                let outputs: Vec<Digest> = record.outputs.values().copied().collect();
                self.fetch_missing(&outputs)?;
                self.lookup(key)
            }
            _ => Ok(None),
        }
    }

    fn fetch(&self, outputs: &[Digest]) -> Result<(), Error> {
        self.fetch_missing(outputs)
    }

    fn processors(&self) -> Result<BTreeSet<String>, Error> {
        let mut processors = self.processors()?;
        processors.extend(
            self.remote()
                .map(|remote| remote.processors())
                .into_iter()
                .flatten(),
        );
        Ok(processors)
    }

    fn get(&self, output: &Digest) -> Result<Arc<Tree>, Error> {
        self.fetch_missing(&[*output])?;
        self.cached_tree(output)
    }

    fn verify_before(&self, output: &Tree, deadline: &Deadline<'_>) -> Result<(), Error> {
        self.verify_before(output, deadline)
    }

    fn put(&self, records: &[&ActionRecord]) -> Result<(), Error> {
        self.record_all(records.iter().copied())?;
        if let Some(remote) = self.remote() {
            records.iter().for_each(|record| remote.offer(record));
        }
        Ok(())
    }

    fn put_under(
        &self,
        record: &ActionRecord,
        action_key: Key,
        fingerprint: &Fingerprint,
    ) -> Result<ActionRecord, Error> {
        let record = self.alias(record, action_key, fingerprint)?;
        if let Some(remote) = self.remote() {
            remote.offer(&record);
        }
        Ok(record)
    }
}
