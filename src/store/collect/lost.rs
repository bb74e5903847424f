//! Results that a collection loses because it finds parts of them damaged or missing.

use std::collections::HashSet;
use std::path::Path;

use crate::Store;
use crate::inventory::{Inventory, Reading, Unread};
use crate::keys::Digest;

/// Finds damaged records, and damaged or missing trees of the results that stay (`trees`).
pub(super) fn find(store: &Store, inventory: &Inventory, trees: &HashSet<Digest>) -> Vec<Unread> {
    let note = |path: &Path, how: &str| Unread {
        path: path.to_owned(),
        why: format!("is {how}; its result is lost, and is made again when a run needs it"),
    };
    let records = inventory.records.iter();
    let records = records.filter(|found| matches!(found.record, Reading::Damaged));
    let mut lost: Vec<Unread> = records
        .map(|found| note(&found.entry.path, "damaged"))
        .collect();
    let outputs = |is_remote: bool| -> HashSet<&Digest> {
        let records = inventory.records.iter();
        let records = records.filter(|found| found.is_remote == is_remote);
        let records = records.filter_map(|found| found.record.sound());
        records.flat_map(|record| record.outputs.values()).collect()
    };
    // The outputs of a shared cache's records may be missing.
    let (own, remote) = (outputs(false), outputs(true));
    for digest in trees {
        match inventory.trees.get(digest) {
            Some((entry, Reading::Damaged)) => lost.push(note(&entry.path, "damaged")),
            Some((_, Reading::Sound(_) | Reading::Refused(_))) => {}
            None if remote.contains(digest) && !own.contains(digest) => {}
            None => lost.push(note(&store.tree_path(digest), "missing")),
        }
    }
    lost.sort_by(|a, b| a.path.cmp(&b.path));
    lost
}
