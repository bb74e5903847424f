//! The size of what a collection keeps.

use std::collections::{HashMap, HashSet};

use crate::ActionRecord;
use crate::inventory::{Entry, Inventory};
use crate::keys::Digest;

/// Bytes that are left while results are dropped one by one.
pub(super) struct Ledger<'a> {
    inventory: &'a Inventory,
    /// Number of times that records and `latest` name each blob.
    names: HashMap<Digest, usize>,
    pub left: u64,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(inventory: &'a Inventory, shown: &HashSet<Digest>) -> Self {
        let mut ledger = Self {
            inventory,
            names: HashMap::new(),
            left: inventory.checkpoints.iter().map(|entry| entry.bytes).sum(),
        };
        for found in &inventory.records {
            if let Some(record) = found.record.sound() {
                ledger.count(inventory.blobs_of(record));
            }
        }
        let shown = shown
            .iter()
            .filter_map(|digest| inventory.trees.get(digest));
        let shown = shown.filter_map(|(_, tree)| tree.sound());
        ledger.count(shown.flat_map(|tree| tree.files.values().map(|blob| blob.digest)));
        ledger
    }

    fn bytes(&self, blob: &Digest) -> u64 {
        self.inventory
            .blobs
            .get(blob)
            .map_or(0, |entry| entry.bytes)
    }

    fn count(&mut self, blobs: impl Iterator<Item = Digest>) {
        for blob in blobs {
            let names = self.names.entry(blob).or_default();
            *names += 1;
            if *names == 1 {
                self.left += self.bytes(&blob);
            }
        }
    }

    pub(super) fn drop_record(&mut self, record: &ActionRecord) {
        for blob in self.inventory.blobs_of(record) {
            let names = self.names.entry(blob).or_default();
            *names = names.saturating_sub(1);
            if *names == 0 {
                self.left -= self.bytes(&blob);
            }
        }
    }

    pub(super) fn drop_checkpoints(&mut self, entry: &Entry) {
        self.left -= entry.bytes;
    }
}
