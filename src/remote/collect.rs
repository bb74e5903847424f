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
//!    it: an uploader looks at the objects it has renewed after it has written the record, and a collection lists the
//!    records again at its end, and deletes the new ones that name an object that it deleted.
//! 5. A reader that meets a record without its blobs treats it as void: that costs time, never a wrong result.
//!
//! If any request fails, a plan fails: an object is never taken for unneeded because a record could not be read.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use store::ActionRecord;
use store::keys::{Digest, Key};

use crate::download::read_tree;
use crate::fault::{Fault, FaultKind};
use crate::health::Side;
use crate::lookup::{Bounds, PAGE, SHARDS, in_parallel, read_record};
use crate::names::{ACTIONS, CAS, ObjectName, TEMPORARY};
use crate::objects::{Entry, Objects};
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
    seen: HashSet<Key>,
}

impl Collection {
    /// Lets young blobs and trees be deleted, too.
    #[cfg(test)]
    pub(crate) fn without_grace(mut self, objects: Vec<(ObjectName, u64)>) -> Self {
        self.grace = 0;
        self.objects = objects;
        self
    }

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

/// A record, and when it was written.
struct Listed {
    name: Key,
    modified: i64,
    bytes: u64,
    /// Digests of its trees. `None` if it is void.
    outputs: Option<Vec<Digest>>,
}

/// Objects that a tree needs, with their sizes: itself and its blobs. `None` if there is no such tree.
type Needs = HashMap<Digest, Option<Vec<(ObjectName, u64)>>>;

impl Listed {
    /// Returns the objects that the record needs, with their sizes.
    fn needs<'a>(&self, trees: &'a Needs) -> impl Iterator<Item = &'a (ObjectName, u64)> {
        let outputs = self.outputs.iter().flatten();
        outputs.flat_map(|digest| trees.get(digest).into_iter().flatten().flatten())
    }
}

/// Blobs and trees that are not needed, and the bytes of all others.
#[derive(Default)]
struct Unneeded {
    objects: Vec<(ObjectName, u64)>,
    kept_bytes: u64,
}

impl Remote {
    /// Finds out what a collection would delete. Changes nothing.
    ///
    /// # Errors
    /// If the remote does not answer, or cannot list.
    pub fn plan_collection(&self, policy: &Policy) -> Result<Collection, Fault> {
        let grace = policy.grace.max(LEAST_GRACE);
        let grace = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
        let entries = self.list_records(|_| true)?;
        let now = self.attempt(Side::Read, |objects| objects.now())?;
        let (mut records, trees) = self.examine(entries)?;
        records.sort_unstable_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        let seen = records.iter().map(|record| record.name).collect();
        let (kept, removed) = choose(records, &trees, policy, now, grace);

        let needed: HashSet<&ObjectName> = kept
            .iter()
            .flat_map(|record| record.needs(&trees).map(|(name, _)| name))
            .collect();
        let mut collection = Collection {
            records: removed.into_iter().map(|record| record.name).collect(),
            kept_records: kept.len(),
            kept_bytes: kept.iter().map(|record| record.bytes).sum(),
            grace,
            seen,
            ..Collection::default()
        };
        let parts = self.list_parts(CAS, |unneeded: &mut Unneeded, entry| {
            let Ok(name) = entry.name.parse::<ObjectName>() else {
                return;
            };
            if needed.contains(&name) || now - entry.modified < grace {
                unneeded.kept_bytes += entry.bytes;
            } else {
                unneeded.objects.push((name, entry.bytes));
            }
        })?;
        for mut part in parts {
            collection.kept_bytes += part.kept_bytes;
            collection.bytes += part.objects.iter().map(|(_, bytes)| bytes).sum::<u64>();
            collection.objects.append(&mut part.objects);
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
        self.delete_torn_files(collection.grace);
        self.known.save();
        deleted?;
        Ok(Removed {
            records: collection.records.len() + repaired?,
            objects: gone.len(),
            bytes: gone.values().sum(),
        })
    }

    /// Lists the records whose names are `wanted`.
    fn list_records(&self, wanted: impl Fn(&Key) -> bool + Sync) -> Result<Vec<Listed>, Fault> {
        let parts = self.list_parts(ACTIONS, |records: &mut Vec<Listed>, entry| {
            if let Ok(ObjectName::Record(name)) = entry.name.parse()
                && wanted(&name)
            {
                records.push(Listed {
                    name,
                    modified: entry.modified,
                    bytes: entry.bytes,
                    outputs: None,
                });
            }
        })?;
        Ok(parts.into_iter().flatten().collect())
    }

    /// Lists a folder of records or blobs. If it fills many pages, its 256 parts are listed at the same time. `add` is
    /// called with every object.
    fn list_parts<T: Default + Send>(
        &self,
        folder: &str,
        add: impl Fn(&mut T, Entry) + Sync,
    ) -> Result<Vec<T>, Fault> {
        let most = match self.objects.lists_in_pages() {
            true => 3 * PAGE,
            false => usize::MAX,
        };
        if let Some(all) = self.list_up_to(most, folder, &add)? {
            return Ok(vec![all]);
        }
        let folders: Vec<String> = (0..SHARDS)
            .map(|shard| format!("{folder}/{shard:02x}"))
            .collect();
        let parts = in_parallel(self.settings.limits.requests, &folders, |folder| {
            let part = self.list_up_to(usize::MAX, folder, &add)?;
            Ok(part.unwrap_or_default())
        });
        parts.into_iter().collect()
    }

    /// Lists a folder. `None` if it has more than `most` objects.
    fn list_up_to<T: Default>(
        &self,
        most: usize,
        folder: &str,
        add: &impl Fn(&mut T, Entry),
    ) -> Result<Option<T>, Fault> {
        self.attempt(Side::Read, |objects| {
            // An attempt that fails is repeated from the start.
            let (mut listed, mut number) = (T::default(), 0);
            let ended = objects.list(folder, &mut |page| {
                number += page.len();
                if number > most {
                    return Err(Fault::off());
                }
                page.into_iter().for_each(|entry| add(&mut listed, entry));
                Ok(())
            });
            match ended {
                Err(_) if number > most => Ok(None),
                ended => ended.map(|()| Some(listed)),
            }
        })
    }

    /// Reads records and their trees. A record without one of its trees is void.
    fn examine(&self, records: Vec<Listed>) -> Result<(Vec<Listed>, Needs), Fault> {
        let threads = self.settings.limits.requests;
        let records = in_parallel(threads, &records, |record| {
            Ok(Listed {
                outputs: self.outputs(&record.name)?,
                ..*record
            })
        });
        let mut records: Vec<Listed> = records.into_iter().collect::<Result<_, Fault>>()?;
        // Many records share trees.
        let outputs = records
            .iter()
            .flat_map(|record| record.outputs.iter().flatten());
        let digests: HashSet<Digest> = outputs.copied().collect();
        let digests: Vec<Digest> = digests.into_iter().collect();
        let trees = in_parallel(threads, &digests, |digest| {
            Ok((*digest, self.needs_of_tree(digest)?))
        });
        let trees: Needs = trees.into_iter().collect::<Result<_, Fault>>()?;
        for record in &mut records {
            let is_there = |digest: &Digest| trees.get(digest).is_some_and(Option::is_some);
            record
                .outputs
                .take_if(|outputs| !outputs.iter().all(is_there));
        }
        Ok((records, trees))
    }

    /// Returns the outputs of a record, or `None` if it is void.
    fn outputs(&self, name: &Key) -> Result<Option<Vec<Digest>>, Fault> {
        let found = self.settled(|objects| read_record(objects, name, &Bounds::none()))?;
        let record = found.and_then(|found| ActionRecord::decode(&found.record, name).ok());
        Ok(record.map(|record| record.outputs.into_values().collect()))
    }

    /// Returns the objects that a tree needs, or `None` if there is no such tree.
    fn needs_of_tree(&self, digest: &Digest) -> Result<Option<Vec<(ObjectName, u64)>>, Fault> {
        let found = self.settled(|objects| read_tree(objects, digest, &Bounds::none()))?;
        Ok(found.map(|(tree, bytes)| {
            let blobs = tree.files.values();
            let blobs = blobs.map(|blob| (ObjectName::Blob(blob.digest), blob.bytes));
            let itself = (ObjectName::Tree(*digest), bytes.len() as u64);
            std::iter::once(itself).chain(blobs).collect()
        }))
    }

    /// Reads an object that should be there. Returns `None` only if it is found missing or damaged three times: what a
    /// network damages must not be taken for void, because then its blobs would be deleted.
    fn settled<T>(
        &self,
        mut read: impl FnMut(&dyn Objects) -> Result<Option<T>, Fault>,
    ) -> Result<Option<T>, Fault> {
        for _ in 0..3 {
            match self.attempt(Side::Read, &mut read) {
                Ok(None) => {}
                Err(fault) if fault.kind == FaultKind::Damaged => {}
                found => return found,
            }
        }
        Ok(None)
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

    /// Deletes files that were being written to a folder when their writer was killed. A failure costs only space.
    fn delete_torn_files(&self, grace: i64) {
        let torn = self.attempt(Side::Write, |objects| {
            let now = objects.now()?;
            let mut torn = Vec::new();
            objects.list(TEMPORARY, &mut |page| {
                let old = page
                    .into_iter()
                    .filter(|entry| now - entry.modified >= grace);
                torn.extend(old.map(|entry| entry.name));
                Ok(())
            })?;
            Ok(torn)
        });
        for name in torn.unwrap_or_default() {
            let _ = self.attempt(Side::Write, |objects| objects.delete(&name));
        }
    }

    /// Deletes records that were written during the collection and that name an object that it deleted.
    fn delete_new_records_of(
        &self,
        gone: &HashMap<ObjectName, u64>,
        seen: &HashSet<Key>,
    ) -> Result<usize, Fault> {
        if gone.is_empty() {
            return Ok(0);
        }
        let new = self.list_records(|name| !seen.contains(name))?;
        let (new, trees) = self.examine(new)?;
        let mut deleted = 0;
        for record in new {
            let names = record.needs(&trees).map(|(name, _)| name);
            let mut lost = names.filter(|name| gone.contains_key(name));
            // The uploader may have written it again.
            let lacks_object = lost.try_fold(false, |lacks_object, name| {
                let path = name.to_string();
                let found = self.attempt(Side::Read, |objects| objects.stat(&path))?;
                Ok(lacks_object || found.is_none())
            })?;
            if lacks_object || record.outputs.is_none() {
                let path = ObjectName::Record(record.name).to_string();
                self.attempt(Side::Write, |objects| objects.delete(&path))?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }
}

/// Divides records, oldest first, into those that are kept and those that are deleted.
fn choose(
    records: Vec<Listed>,
    trees: &Needs,
    policy: &Policy,
    now: i64,
    grace: i64,
) -> (Vec<Listed>, Vec<Listed>) {
    let oldest = policy.older_than.map(|age| {
        let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        now.saturating_sub(age)
    });
    let (kept, mut removed): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| {
        let is_void = record.outputs.is_none() && now - record.modified >= grace;
        let is_old = oldest.is_some_and(|oldest| record.modified < oldest);
        policy.keep.contains(&record.name) || !(is_void || is_old)
    });
    let Some(most) = policy.most_bytes else {
        return (kept, removed);
    };
    let mut uses: HashMap<&ObjectName, usize> = HashMap::new();
    let mut total = 0;
    for record in &kept {
        total += record.bytes;
        for (name, bytes) in record.needs(trees) {
            let count = uses.entry(name).or_default();
            total += if *count == 0 { *bytes } else { 0 };
            *count += 1;
        }
    }
    let (mut kept, candidates) = (Vec::new(), kept);
    for record in candidates {
        if total <= most || policy.keep.contains(&record.name) {
            kept.push(record);
            continue;
        }
        total -= record.bytes;
        for (name, bytes) in record.needs(trees) {
            let count = uses.entry(name).or_default();
            *count -= 1;
            total -= if *count == 0 { *bytes } else { 0 };
        }
        removed.push(record);
    }
    (kept, removed)
}
