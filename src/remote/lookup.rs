//! Looks up records, many at the same time.

use std::collections::HashSet;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use contract::{into_inner, lock};
use store::ActionRecord;
use store::keys::Key;

use crate::fault::{Fault, FaultKind};
use crate::health::Side;
use crate::keys::{Envelope, MOST_BYTES};
use crate::names::{ACTIONS, ObjectName};
use crate::objects::Objects;
use crate::remote::Remote;

/// Number of folders of records: one for each of the first two digits of a key.
const SHARDS: usize = 256;
/// Names in a page of a list.
const PAGE: usize = 1000;
/// A page of a list is as expensive as this many single lookups.
const ASKS_PER_PAGE: usize = 5;

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
        if let Some(present) = self.list_for(new) {
            asked.retain(|(_, name)| {
                let is_present = present.contains(name);
                if !is_present {
                    self.known.remember(name, None);
                }
                is_present
            });
        }
        let found = in_parallel(self.settings.limits.requests, &asked, |(index, name)| {
            let answer = self.find(name);
            if let Ok(record) = &answer {
                self.known.remember(name, record.as_deref());
            }
            (*index, answer.ok().flatten())
        });
        for (index, answer) in found {
            answers[index] = answer;
        }
        self.known.save_at_times(new);
        self.counters.hits.add(answers.iter().flatten().count());
        answers
    }

    /// Lists the records of the remote, if that is cheaper than asking for each of so many names: most names of a large
    /// plan have no record. `None` if it is not cheaper, or fails.
    fn list_for(&self, names: usize) -> Option<HashSet<Key>> {
        if names < SHARDS * ASKS_PER_PAGE || !self.objects.lists_in_pages() {
            return None;
        }
        let shards: Vec<String> = (0..SHARDS)
            .map(|shard| format!("{ACTIONS}/{shard:02x}"))
            .collect();
        let mut present = self.list_shard(&shards[0])?;
        // Keys are hashes, so all parts have about the same size.
        let pages = 1 + present.len() / PAGE;
        if names < SHARDS * ASKS_PER_PAGE * pages {
            return None;
        }
        let threads = self.settings.limits.requests;
        let listed = in_parallel(threads, &shards[1..], |shard| self.list_shard(shard));
        for names in listed {
            present.extend(names?);
        }
        Some(present)
    }

    /// Lists a part of the records. A failure is not reported: the records are then asked for one by one.
    fn list_shard(&self, folder: &str) -> Option<HashSet<Key>> {
        self.health.check(Side::Read).ok()?;
        let mut names = HashSet::new();
        let listed = self.objects.list(folder, &mut |entry| {
            if let Ok(ObjectName::Record(name)) = entry.name.parse() {
                names.insert(name);
            }
        });
        listed.is_ok().then_some(names)
    }

    /// Asks the remote for a record.
    fn find(&self, name: &Key) -> Result<Option<Vec<u8>>, Fault> {
        let object = ObjectName::Record(*name);
        if self.is_void(&object) {
            return Ok(None);
        }
        let found = self.attempt(Side::Read, |objects| read_record(objects, name));
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

/// Reads a record's envelope and checks that the record is sound.
pub(crate) fn read_record(objects: &dyn Objects, name: &Key) -> Result<Option<Envelope>, Fault> {
    let object = ObjectName::Record(*name);
    let Some(bytes) = read(objects, &object, MOST_BYTES)? else {
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

/// Reads an object into memory.
pub(crate) fn read(
    objects: &dyn Objects,
    name: &ObjectName,
    most: usize,
) -> Result<Option<Vec<u8>>, Fault> {
    let mut bytes = Vec::new();
    let is_there = objects.get(&name.to_string(), 0, &mut |piece| {
        if bytes.len() + piece.len() > most {
            return Err(Fault::new(
                FaultKind::Damaged,
                format!("the remote's object `{name}` is too large"),
            ));
        }
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(is_there.then_some(bytes))
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
