//! Sets aside results whose inputs turn out to be damaged.
//!
//! A stage's inputs are verified before it runs and watched while it runs, and its record then states that they were
//! right. If they could not be watched (see `executor/watched.rs`), or if an older version wrote the record, the
//! record does not state this. Such a result may have been made from damaged bytes. So when a blob is found damaged,
//! the results of this kind that read the blob are set aside and made again. Results that were recorded before the
//! last `cache verify` that found every blob right stay.

use std::collections::{BTreeMap, HashMap};

use super::files::{self, Found};
use super::sealed::unseal;
use super::{ActionRecord, Error, InputsCheck, Memo, Store};
use crate::keys::InputId;
use crate::keys::{Digest, Key};

impl Store {
    /// Returns how often all blobs were verified and found right.
    ///
    /// # Errors
    /// If the number cannot be read. A result recorded with too small a number would not be set
    /// aside when it should be.
    pub fn verifications(&self) -> Result<u64, Error> {
        let path = self.home.join(Memo::Verifications.path());
        match files::read(&path).map_err(Error::io("read", &path))? {
            Found::Bytes(bytes) => Ok(unseal(&bytes).unwrap_or(0)),
            Found::Missing | Found::Foreign => Ok(0),
        }
    }

    /// Counts one more verification of all blobs.
    pub(super) fn count_verification(&self) -> Result<(), Error> {
        self.set_memo(Memo::Verifications, &(self.verifications()? + 1))
    }

    /// Sets aside the results that may have been made from a damaged blob.
    ///
    /// # Errors
    /// If a record or a tree that decides this cannot be read. No result is set aside then.
    pub(super) fn set_aside_readers(&self, blob: &Digest) -> Result<(), Error> {
        let mut records: BTreeMap<Key, ActionRecord> = BTreeMap::new();
        for key in self.record_keys()? {
            let path = self.record_path(&key);
            if let Found::Bytes(bytes) = files::read(&path).map_err(Error::io("read", &path))?
                && let Ok(record) = ActionRecord::decode(&bytes, &key)
            {
                records.insert(key, record);
            }
        }
        let verifications = self.verifications()?;
        let mut known: HashMap<Digest, bool> = HashMap::new();
        let mut holds_blob = |tree: &Digest| {
            if let Some(&holds) = known.get(tree) {
                return Ok(holds);
            }
            let holds = match self.peek_tree(tree) {
                Ok(tree) => tree.files.values().any(|f| f.digest == *blob),
                Err(error @ Error::Io { .. }) => return Err(error),
                // A tree that is missing or damaged may have held the blob.
                Err(_) => true,
            };
            known.insert(*tree, holds);
            Ok(holds)
        };
        let mut doubted = Vec::new();
        for (key, record) in &records {
            let InputsCheck::Unsure {
                verifications: recorded,
            } = record.inputs
            else {
                continue;
            };
            if recorded < verifications {
                continue;
            }
            for input in record.fingerprint.inputs.values().flatten() {
                let tree = match input {
                    InputId::Content { digest } => Some(digest),
                    InputId::Action { key, port } => records
                        .get(key)
                        .and_then(|producer| producer.outputs.get(port)),
                };
                if tree.map_or(Ok(true), &mut holds_blob)? {
                    doubted.push(key);
                    break;
                }
            }
        }
        for key in doubted {
            tracing::warn!(%key, "a result may have been made from a damaged file");
            self.set_aside(&self.record_path(key))?;
        }
        Ok(())
    }
}
