//! Looks up records, many at the same time.

use std::collections::HashSet;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use contract::{into_inner, lock};
use store::ActionRecord;
use store::keys::Key;

use crate::fault::{Fault, FaultKind};
use crate::health::Side;
use crate::keys::{Envelope, MOST_BYTES};
use crate::names::{ACTIONS, ObjectName};
use crate::objects::Objects;
use crate::remote::Remote;
use crate::settings::Limits;

/// Number of folders of records: one for each of the first two digits of a key.
pub(crate) const SHARDS: usize = 256;
/// Names in a page of a list.
pub(crate) const PAGE: usize = 1000;
/// A page of a list is as expensive as this many single lookups, apart from its entries.
const ASKS_PER_PAGE: usize = 5;
/// So many entries of a list are as expensive as one lookup. An entry takes 270 bytes, and bytes decide: a full page is
/// as expensive as 55 lookups on a connection with 100 Mbit/s, and at the prices of bytes that leave Amazon.
const ENTRIES_PER_ASK: usize = 20;
/// Number of bytes that a batch of objects may take in any case.
const LEAST_MEMORY: usize = 128 << 20;

impl Remote {
    /// Looks up records. The answers are in the order of `names`: the record's bytes, exactly as in the local folder,
    /// or `None` if the remote has no sound record, or none that an accepted key has signed.
    ///
    /// Never fails: without an answer, a record counts as absent. See [`Remote::problem`].
    pub fn look_up(&self, names: &[Key]) -> Vec<Option<Vec<u8>>> {
        if !self.settings.mode.reads() {
            return vec![None; names.len()];
        }
        self.counters.lookups.add(names.len());
        let mut answers = vec![None; names.len()];
        let mut asked = Vec::new();
        for (index, name) in names.iter().enumerate() {
            match self.known.get(name) {
                Some(known) => answers[index] = known,
                None => asked.push((index, name)),
            }
        }
        self.counters.known.add(names.len() - asked.len());
        let new = asked.len();
        let bounds = Bounds::of_lookups(&self.settings.limits, new);
        if let Some(present) = self.list_for(&asked, &bounds) {
            asked.retain(|(_, name)| {
                let is_present = present.contains(name);
                if !is_present {
                    self.known.remember(name, None);
                }
                is_present
            });
        }
        let found = in_parallel(self.settings.limits.requests, &asked, |(index, name)| {
            if bounds.is_over() {
                return (*index, Err(Fault::off()));
            }
            let answer = self.find(name, &bounds);
            if let Ok(record) = &answer {
                self.known.remember(name, record.as_deref());
            }
            (*index, answer)
        });
        let unanswered = found.iter().filter(|(_, answer)| answer.is_err()).count();
        if unanswered > 0 && bounds.is_over() {
            self.report_slowness(unanswered, new);
        }
        for (index, answer) in found {
            answers[index] = answer.ok().flatten();
        }
        self.known.save_at_times(new);
        self.counters.hits.add(answers.iter().flatten().count());
        answers
    }

    /// Warns that a batch of lookups took too long. If the remote has never answered anything, it is not asked again.
    fn report_slowness(&self, unanswered: usize, all: usize) {
        self.health.report(format!(
            "the remote `{}` is slow: {unanswered} of {all} lookups were not answered in time; they count as absent",
            self.settings.address
        ));
        self.health.turn_off_if_silent();
    }

    /// Lists which of the names have records, if that is cheaper than asking for each of them: most names of a large plan
    /// have no record. `None` if it is not cheaper, or fails.
    fn list_for(&self, asked: &[(usize, &Key)], bounds: &Bounds) -> Option<HashSet<Key>> {
        if asked.len() < SHARDS * ASKS_PER_PAGE || !self.objects.lists_in_pages() {
            return None;
        }
        let asked: HashSet<&Key> = asked.iter().map(|(_, name)| *name).collect();
        let list = |shard: &usize| self.list_shard(*shard, &asked, bounds);
        let (mut present, entries) = list(&0)?;
        if !is_list_cheaper(asked.len(), entries) {
            return None;
        }
        let shards: Vec<usize> = (1..SHARDS).collect();
        for listed in in_parallel(self.settings.limits.requests, &shards, list) {
            present.extend(listed?.0);
        }
        Some(present)
    }

    /// Lists a part of the records. Returns those that were asked for, and the number of all. A failure is not reported:
    /// the records are then asked for one by one.
    fn list_shard(
        &self,
        shard: usize,
        asked: &HashSet<&Key>,
        bounds: &Bounds,
    ) -> Option<(HashSet<Key>, usize)> {
        self.health.check(Side::Read).ok()?;
        let mut present = HashSet::new();
        let mut entries = 0;
        let listed = self
            .objects
            .list(&format!("{ACTIONS}/{shard:02x}"), &mut |page| {
                entries += page.len();
                let names = page.iter().filter_map(|entry| match entry.name.parse() {
                    Ok(ObjectName::Record(name)) => Some(name),
                    _ => None,
                });
                present.extend(names.filter(|name| asked.contains(name)));
                match bounds.is_over() {
                    true => Err(Fault::off()),
                    false => Ok(()),
                }
            });
        match listed {
            Ok(()) => {
                self.health.succeeded(Side::Read);
                Some((present, entries))
            }
            Err(fault) => {
                // Who may not list may still read.
                if fault.is_transient() {
                    let failures = self.settings.limits.failures;
                    self.health.failed(Side::Read, &fault, failures);
                }
                None
            }
        }
    }

    /// Asks the remote for a record.
    fn find(&self, name: &Key, bounds: &Bounds) -> Result<Option<Vec<u8>>, Fault> {
        let object = ObjectName::Record(*name);
        if self.is_void(&object) {
            return Ok(None);
        }
        let found = self.attempt_until(bounds.end, Side::Read, |objects| {
            read_record(objects, name, bounds)
        });
        let envelope = match found {
            Ok(Some(envelope)) => envelope,
            Ok(None) => return Ok(None),
            Err(fault) => {
                if fault.kind == FaultKind::Damaged {
                    self.distrust_object(object);
                }
                return Err(fault);
            }
        };
        if self.accepts(name, &envelope) {
            return Ok(Some(envelope.record));
        }
        self.health.report(format!(
            "the remote `{}` has records that no accepted key has signed; they count as absent",
            self.settings.address
        ));
        Ok(None)
    }

    pub(crate) fn accepts(&self, name: &Key, envelope: &Envelope) -> bool {
        match &self.settings.accepted {
            Some(keys) => envelope.is_signed_by(name, keys),
            None => true,
        }
    }
}

/// Returns `true` if listing all records is cheaper than `asked` lookups. `entries` is the number of records in one of the
/// parts. Keys are hashes, so all parts have about the same size.
fn is_list_cheaper(asked: usize, entries: usize) -> bool {
    let pages = 1 + entries / PAGE;
    asked >= SHARDS * (pages * ASKS_PER_PAGE + entries / ENTRIES_PER_ASK)
}

/// Reads a record's envelope and checks that the record is sound.
pub(crate) fn read_record(
    objects: &dyn Objects,
    name: &Key,
    bounds: &Bounds,
) -> Result<Option<Envelope>, Fault> {
    let object = ObjectName::Record(*name);
    let Some(bytes) = read(objects, &object, MOST_BYTES, bounds)? else {
        return Ok(None);
    };
    let damaged = || {
        Fault::new(
            FaultKind::Damaged,
            format!("the remote's record `{}` is damaged", name.short()),
        )
    };
    let envelope = Envelope::decode(&bytes).ok_or_else(damaged)?;
    ActionRecord::decode(&envelope.record, name).map_err(|_| damaged())?;
    Ok(Some(envelope))
}

/// Reads an object of at most `most` bytes into memory.
pub(crate) fn read(
    objects: &dyn Objects,
    name: &ObjectName,
    most: usize,
    bounds: &Bounds,
) -> Result<Option<Vec<u8>>, Fault> {
    let mut bytes = Vec::new();
    let read = objects.get(&name.to_string(), 0, &mut |piece| {
        if bounds.is_over() {
            return Err(Fault::new(
                FaultKind::Timeout,
                format!("the remote's object `{name}` arrives too slowly"),
            ));
        }
        if bytes.len() + piece.len() > most || !bounds.take(piece.len()) {
            return Err(Fault::new(
                FaultKind::Damaged,
                format!("the remote's object `{name}` is too large"),
            ));
        }
        bytes.extend_from_slice(piece);
        Ok(())
    });
    if !matches!(read, Ok(true)) {
        bounds.give_back(bytes.len());
    }
    Ok(read?.then_some(bytes))
}

/// Bounds of a batch of objects that are read into memory. Without them, a remote could fill the memory, or answer so
/// slowly that a run never begins.
pub(crate) struct Bounds {
    /// Number of bytes that all objects together may still take.
    bytes: AtomicUsize,
    end: Option<Instant>,
}

impl Bounds {
    /// Bounds for one object, which has a limit of its own.
    pub(crate) fn none() -> Self {
        Self {
            bytes: AtomicUsize::new(usize::MAX),
            end: None,
        }
    }

    /// Bounds for trees. Most of them take a few KiB.
    pub(crate) fn of_trees(number: usize) -> Self {
        Self {
            bytes: AtomicUsize::new(LEAST_MEMORY.saturating_add(number.saturating_mul(1 << 20))),
            end: None,
        }
    }

    /// Bounds for records. Most of them take a few KiB.
    fn of_lookups(limits: &Limits, number: usize) -> Self {
        let each = u32::try_from(number).unwrap_or(u32::MAX);
        let time = limits.lookups + limits.each_lookup.saturating_mul(each);
        Self {
            bytes: AtomicUsize::new(LEAST_MEMORY.saturating_add(number.saturating_mul(64 << 10))),
            end: Some(Instant::now() + time),
        }
    }

    fn is_over(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }

    /// Returns `false` if there is not enough memory left.
    fn take(&self, bytes: usize) -> bool {
        let left = |left: usize| left.checked_sub(bytes);
        let taken = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
        taken.is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Calls `work` for each item on up to `threads` threads. The results are in any order.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let run = || {
        let mut own = Vec::new();
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            own.push(work(item));
        }
        lock(&results).append(&mut own);
    };
    let threads = threads.clamp(1, items.len().max(1));
    match NonZero::new(threads - 1) {
        // This thread works as well.
        Some(more) => thread::scope(|scope| {
            for _ in 0..more.get() {
                // If no further thread can be started, those that run do all the work.
                let _ = thread::Builder::new().spawn_scoped(scope, run);
            }
            run();
        }),
        None => run(),
    }
    into_inner(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_remote_is_listed_only_for_many_names() {
        // Entries of one of 256 parts.
        let of = |records: usize| records / SHARDS;
        assert!(is_list_cheaper(1280, 0) && !is_list_cheaper(1279, 0));
        assert!(is_list_cheaper(10_000, of(100_000)));
        assert!(!is_list_cheaper(10_000, of(1_000_000)));
        assert!(is_list_cheaper(100_000, of(1_000_000)));
    }

    #[test]
    fn a_batch_takes_no_more_memory_than_its_bounds() {
        let bounds = Bounds::of_trees(0);
        assert!(bounds.take(LEAST_MEMORY - 1));
        assert!(!bounds.take(2) && bounds.take(1) && !bounds.take(1));
        bounds.give_back(10);
        assert!(bounds.take(10) && !bounds.take(1));
        assert!(Bounds::of_trees(usize::MAX).take(usize::MAX));
    }
}
