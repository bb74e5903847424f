//! Collection: deletes old records, and the blobs and trees that no record needs any more.
//!
//! Others may upload and read meanwhile. This is why they lose nothing:
//!
//! 1. An uploader writes a record only after everything that it names. It relies on an object that was there before only
//!    if that is younger than [`REFRESH`] by the server's clock; otherwise it renews the object's time or writes it
//!    again.
//! 2. A collection lists the records, then reads all that it keeps, then lists blobs and trees. It deletes an object only
//!    if no kept record names it and it is older than the grace period (at least [`LEAST_GRACE`]), and looks at its time
//!    again immediately before.
//! 3. So an object can only be lost if an uploader relied on it, its record was not yet listed, and the object still
//!    reached the grace period: more than `LEAST_GRACE - REFRESH` (12 hours) later. The upload of one record and a
//!    collection would have to take 11 hours together, because an uploader relies on a look for up to an hour.
//! 4. Should that happen, or should a time be renewed between the last look and the deletion, two further looks repair
//!    it: an uploader looks at the objects it did not write after it has written the record, and a collection lists the
//!    records again at its end, and deletes the new ones that name an object that it deleted.
//! 5. A reader that meets a record without its blobs treats it as void: that costs time, never a wrong result.
//!
//! If any request fails, a plan fails: an object is never taken for unneeded because a record could not be read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use store::keys::{Digest, Key};
use store::{ActionRecord, Tree};

use crate::download::read_tree;
use crate::fault::{Fault, FaultKind};
use crate::health::Side;
use crate::lookup::{in_parallel, read_record};
use crate::names::{ACTIONS, CAS, ObjectName};
use crate::objects::Entry;
use crate::remote::Remote;

/// Age in seconds from which an uploader renews the time of an object.
pub(crate) const REFRESH: i64 = 12 * 3600;
/// Smallest grace period.
pub const LEAST_GRACE: Duration = Duration::from_secs(24 * 3600);

/// What a collection keeps.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Deletes records that were written longer ago.
    pub older_than: Option<Duration>,
    /// Deletes the oldest records until the rest takes at most this many bytes.
    pub most_bytes: Option<u64>,
    /// Records that are kept in any case.
    pub keep: HashSet<Key>,
    /// Age below which no blob or tree is deleted. At least [`LEAST_GRACE`].
    pub grace: Duration,
}

/// What a collection would delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// Records, oldest first.
    pub records: Vec<Key>,
    /// Bytes of the blobs and trees to delete.
    pub bytes: u64,
    /// Numbers of records and bytes that stay.
    pub kept_records: usize,
    pub kept_bytes: u64,
    objects: Vec<(ObjectName, u64)>,
    grace: i64,
    /// All records that were listed.
    seen: BTreeSet<Key>,
}

impl Collection {
    /// Returns the number of blobs and trees to delete.
    pub fn objects(&self) -> usize {
        self.objects.len()
    }
}

/// What a collection has deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    pub records: usize,
    pub objects: usize,
    pub bytes: u64,
}

/// A record, when it was written, and the objects that it needs with their sizes. `None` if it is void.
struct Listed {
    name: Key,
    modified: i64,
    bytes: u64,
    needs: Option<BTreeMap<ObjectName, u64>>,
}

impl Remote {
    /// Finds out what a collection would delete. Changes nothing.
    ///
    /// # Errors
    /// If the remote does not answer, or cannot list.
    pub fn plan_collection(&self, policy: &Policy) -> Result<Collection, Fault> {
        let grace = policy.grace.max(LEAST_GRACE);
        let grace = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
        let entries = self.list(ACTIONS)?;
        let now = self.attempt(Side::Read, |objects| objects.now())?;
        let mut records = self.examine(entries)?;
        records.sort_unstable_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        let seen = records.iter().map(|record| record.name).collect();
        let (kept, removed) = choose(records, policy, now, grace);

        let needed: HashSet<&ObjectName> = kept
            .iter()
            .flat_map(|record| record.needs.iter().flat_map(BTreeMap::keys))
            .collect();
        let mut collection = Collection {
            records: removed.into_iter().map(|record| record.name).collect(),
            kept_records: kept.len(),
            kept_bytes: kept.iter().map(|record| record.bytes).sum(),
            grace,
            seen,
            ..Collection::default()
        };
        for entry in self.list(CAS)? {
            let Ok(name) = entry.name.parse::<ObjectName>() else {
                continue;
            };
            if needed.contains(&name) || now - entry.modified < grace {
                collection.kept_bytes += entry.bytes;
            } else {
                collection.bytes += entry.bytes;
                collection.objects.push((name, entry.bytes));
            }
        }
        Ok(collection)
    }

    /// Deletes what a plan names, except objects that were renewed since.
    ///
    /// # Errors
    /// If the remote does not answer or refuses. What was deleted until then stays deleted; no kept record misses
    /// anything.
    pub fn collect(&self, collection: &Collection) -> Result<Removed, Fault> {
        let threads = self.settings.limits.requests;
        let deleted = in_parallel(threads, &collection.records, |name| {
            self.known.forget(name);
            let path = ObjectName::Record(*name).to_string();
            self.attempt(Side::Write, |objects| objects.delete(&path))
        });
        // Records first: while any of them is left, its blobs stay.
        deleted.into_iter().collect::<Result<Vec<_>, _>>()?;
        let deleted = in_parallel(threads, &collection.objects, |(name, bytes)| {
            let is_gone = self.delete_unless_renewed(name, collection.grace)?;
            Ok(is_gone.then(|| (name.clone(), *bytes)))
        });
        let deleted: Result<Vec<_>, Fault> = deleted.into_iter().collect();
        let gone: HashMap<ObjectName, u64> = match &deleted {
            Ok(deleted) => deleted.iter().flatten().cloned().collect(),
            // It is not known which of them are gone.
            Err(_) => collection.objects.iter().cloned().collect(),
        };
        let repaired = self.delete_new_records_of(&gone, &collection.seen);
        self.known.save();
        deleted?;
        Ok(Removed {
            records: collection.records.len() + repaired?,
            objects: gone.len(),
            bytes: gone.values().sum(),
        })
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>, Fault> {
        self.attempt(Side::Read, |objects| {
            let mut entries = Vec::new();
            objects.list(folder, &mut |entry| entries.push(entry))?;
            Ok(entries)
        })
    }

    /// Reads records and their trees.
    fn examine(&self, entries: Vec<Entry>) -> Result<Vec<Listed>, Fault> {
        let names = entries
            .into_iter()
            .filter_map(|entry| match entry.name.parse() {
                Ok(ObjectName::Record(name)) => Some((name, entry)),
                _ => None,
            });
        let names: Vec<_> = names.collect();
        let threads = self.settings.limits.requests;
        let outputs = in_parallel(threads, &names, |(name, entry)| {
            let outputs = self.outputs(name)?;
            Ok((*name, entry.clone(), outputs))
        });
        let outputs: Vec<_> = outputs.into_iter().collect::<Result<_, Fault>>()?;
        // Many records share trees.
        let digests = outputs
            .iter()
            .flat_map(|(_, _, outputs)| outputs.iter().flatten());
        let digests: Vec<Digest> = digests
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let trees = in_parallel(threads, &digests, |digest| {
            Ok((*digest, self.listing(digest)?))
        });
        let trees: HashMap<Digest, Option<(Tree, u64)>> =
            trees.into_iter().collect::<Result<_, Fault>>()?;
        let records = outputs.into_iter().map(|(name, entry, outputs)| Listed {
            name,
            modified: entry.modified,
            bytes: entry.bytes,
            needs: outputs.and_then(|outputs| needs(&outputs, &trees)),
        });
        Ok(records.collect())
    }

    /// Returns the outputs of a record, or `None` if it is void.
    fn outputs(&self, name: &Key) -> Result<Option<Vec<Digest>>, Fault> {
        let found =
            absent_if_damaged(self.attempt(Side::Read, |objects| read_record(objects, name)))?;
        let record = found.and_then(|found| ActionRecord::decode(&found.record, name).ok());
        Ok(record.map(|record| record.outputs.into_values().collect()))
    }

    fn listing(&self, digest: &Digest) -> Result<Option<(Tree, u64)>, Fault> {
        let found =
            absent_if_damaged(self.attempt(Side::Read, |objects| read_tree(objects, digest)))?;
        Ok(found.map(|(tree, bytes)| (tree, bytes.len() as u64)))
    }

    /// Deletes an object unless it is young again. Returns whether it was deleted.
    fn delete_unless_renewed(&self, name: &ObjectName, grace: i64) -> Result<bool, Fault> {
        let path = name.to_string();
        self.attempt(Side::Write, |objects| {
            let is_old = match objects.stat(&path)? {
                Some(found) => match found.modified {
                    Some(modified) => objects.now()? - modified >= grace,
                    // It cannot be known.
                    None => false,
                },
                None => return Ok(true),
            };
            if is_old {
                objects.delete(&path)?;
            }
            Ok(is_old)
        })
    }

    /// Deletes records that were written during the collection and that name an object that it deleted.
    fn delete_new_records_of(
        &self,
        gone: &HashMap<ObjectName, u64>,
        seen: &BTreeSet<Key>,
    ) -> Result<usize, Fault> {
        if gone.is_empty() {
            return Ok(0);
        }
        let mut entries = self.list(ACTIONS)?;
        entries.retain(|entry| match entry.name.parse() {
            Ok(ObjectName::Record(name)) => !seen.contains(&name),
            _ => false,
        });
        let mut deleted = 0;
        for record in self.examine(entries)? {
            let is_void = match &record.needs {
                Some(needs) => {
                    let mut lost = needs.keys().filter(|name| gone.contains_key(name));
                    // The uploader may have written it again.
                    lost.try_fold(false, |is_void, name| {
                        let path = name.to_string();
                        let found = self.attempt(Side::Read, |objects| objects.stat(&path))?;
                        Ok(is_void || found.is_none())
                    })?
                }
                // A tree is missing.
                None => true,
            };
            if is_void {
                let path = ObjectName::Record(record.name).to_string();
                self.attempt(Side::Write, |objects| objects.delete(&path))?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }
}

/// Treats an object as absent that is still damaged after another attempt.
fn absent_if_damaged<T>(found: Result<Option<T>, Fault>) -> Result<Option<T>, Fault> {
    match found {
        Err(fault) if fault.kind == FaultKind::Damaged => Ok(None),
        found => found,
    }
}

/// Divides records, oldest first, into those that are kept and those that are deleted.
fn choose(
    records: Vec<Listed>,
    policy: &Policy,
    now: i64,
    grace: i64,
) -> (Vec<Listed>, Vec<Listed>) {
    let oldest = policy.older_than.map(|age| {
        let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        now.saturating_sub(age)
    });
    let (mut kept, mut removed): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| {
        let is_void = record.needs.is_none() && now - record.modified >= grace;
        let is_old = oldest.is_some_and(|oldest| record.modified < oldest);
        policy.keep.contains(&record.name) || !(is_void || is_old)
    });
    let Some(most) = policy.most_bytes else {
        return (kept, removed);
    };
    let mut uses: HashMap<ObjectName, usize> = HashMap::new();
    let mut total = 0;
    for record in &kept {
        total += record.bytes;
        for (name, bytes) in record.needs.iter().flatten() {
            let count = uses.entry(name.clone()).or_default();
            total += if *count == 0 { *bytes } else { 0 };
            *count += 1;
        }
    }
    let mut index = 0;
    while total > most && index < kept.len() {
        if policy.keep.contains(&kept[index].name) {
            index += 1;
            continue;
        }
        let record = kept.remove(index);
        total -= record.bytes;
        for (name, bytes) in record.needs.iter().flatten() {
            let count = uses.entry(name.clone()).or_default();
            *count -= 1;
            total -= if *count == 0 { *bytes } else { 0 };
        }
        removed.push(record);
    }
    (kept, removed)
}

/// Returns the objects that a record needs, or `None` if a tree is missing.
fn needs(
    outputs: &[Digest],
    trees: &HashMap<Digest, Option<(Tree, u64)>>,
) -> Option<BTreeMap<ObjectName, u64>> {
    let mut needs = BTreeMap::new();
    for digest in outputs {
        let (tree, bytes) = trees.get(digest)?.as_ref()?;
        needs.insert(ObjectName::Tree(*digest), *bytes);
        let blobs = tree.files.values();
        needs.extend(blobs.map(|blob| (ObjectName::Blob(blob.digest), blob.bytes)));
    }
    Some(needs)
}
