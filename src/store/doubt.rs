//! Results of inputs that turn out to be damaged.
//!
//! A stage's inputs are verified before it runs and watched while it does, and then its record says that
//! they were right. Where they could not be watched (see `executor/watched.rs`), and in records of older
//! versions, it does not. When a blob is found damaged, such results that read it may have read the damage:
//! they are set aside and made again. Results from before the last `cache verify` that found every blob
//! right stay.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{ActionRecord, Digest, Error, Key, Store};
use crate::plan::InputId;

/// Whether a stage's inputs held the right bytes all the time that it read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputsCheck {
    Sure,
    /// They did before and after; and how many verifications of the whole store there had been by then.
    Unsure {
        verifications: u64,
    },
}

impl Default for InputsCheck {
    /// That of records that say nothing.
    fn default() -> Self {
        Self::Unsure { verifications: 0 }
    }
}

/// The memo that counts the verifications that found every blob right.
const MEMO: &str = "verifications.json";

impl Store {
    /// How often all blobs were verified and found right.
    pub fn verifications(&self) -> u64 {
        self.memo(Path::new(MEMO)).unwrap_or(0)
    }

    /// Counts one more verification of all blobs.
    pub(super) fn count_verification(&self) -> Result<(), Error> {
        self.set_memo(Path::new(MEMO), &(self.verifications() + 1))
    }

    /// Sets aside the results that may have been made of a damaged blob.
    pub(super) fn doubt_readers(&self, blob: &Digest) -> Result<(), Error> {
        let keys = self.record_keys()?;
        let records: BTreeMap<Key, ActionRecord> = keys
            .into_iter()
            .filter_map(|key| Some((key, self.recall(&key)?)))
            .collect();
        let verifications = self.verifications();
        let mut holds = HashSet::new();
        let mut holds_not = HashSet::new();
        let mut holds_blob = |tree: &Digest| {
            if holds.contains(tree) || holds_not.contains(tree) {
                return holds.contains(tree);
            }
            // What a tree that is gone held is not known.
            let found = self
                .peek_tree(tree)
                .map_or(true, |tree| tree.files.values().any(|f| f.digest == *blob));
            if found { &mut holds } else { &mut holds_not }.insert(*tree);
            found
        };
        for (key, record) in &records {
            let InputsCheck::Unsure {
                verifications: recorded,
            } = record.inputs
            else {
                continue;
            };
            let mut inputs = record.fingerprint.inputs.values().flatten();
            let has_read = inputs.any(|input| match input {
                InputId::Content { digest } => holds_blob(digest),
                InputId::Action { key, port } => records
                    .get(key)
                    .and_then(|producer| producer.outputs.get(port))
                    .is_none_or(&mut holds_blob),
            });
            if has_read && recorded >= verifications {
                tracing::warn!(%key, "a result may have been made of a damaged file");
                self.set_aside(&self.record_path(key))?;
            }
        }
        Ok(())
    }
}
