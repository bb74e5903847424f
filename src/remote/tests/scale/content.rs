//! The objects of a remote with many results. Each result has one tree of three blobs, and a record under each of its
//! two keys, as `requests_of_each_operation` in `speed` does.

use std::collections::{BTreeMap, BTreeSet};

use store::keys::{Digest, Key};
use store::{Blob, Tree};

use super::super::{action_record, named};
use crate::keys::Envelope;

/// Size of each blob in bytes.
const BLOB: u64 = 450_000;

/// Result number `.0`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content(pub(super) usize);

impl Content {
    fn name(self) -> String {
        format!("scale-{}", self.0)
    }

    /// Returns the keys of the result's records: its action key and its content key.
    pub(super) fn keys(self) -> [Key; 2] {
        let name = self.name();
        [named(&name), Key::derive("content", name.as_bytes())]
    }

    pub(super) fn blobs(self) -> [Digest; 3] {
        ["a", "b", "c"].map(|part| Digest::derive(part, self.name().as_bytes()))
    }

    pub(super) fn tree(self) -> Tree {
        let names = ["history.json", "metrics.json", "weights.safetensors"];
        let files = names.into_iter().zip(self.blobs());
        let files = files.map(|(name, digest)| {
            let bytes = BLOB;
            (name.to_owned(), Blob { digest, bytes })
        });
        Tree::new(files.collect(), BTreeSet::new()).unwrap()
    }

    /// Returns the bytes of the tree's object.
    pub(super) fn tree_bytes(self) -> Vec<u8> {
        let files: BTreeMap<String, Blob> = self.tree().files;
        serde_json::to_vec(&files).unwrap()
    }

    /// Returns the bytes of the record's object under one of its keys.
    pub(super) fn record_bytes(self, key: &Key) -> Vec<u8> {
        let mut record = action_record(&self.name(), &[&self.tree()]);
        // Parameters and notes of a training fill 1.5 kB.
        record.notes.push("x".repeat(850));
        let record = store::seal(&record).unwrap();
        Envelope::new(key, record, None).unwrap().encode()
    }
}
