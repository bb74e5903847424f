//! Garbage collection: chooses and removes what is no longer needed.
//!
//! A collection always keeps what these name: the newest runs of every pipeline, runs in progress, runs whose
//! records are damaged, and `latest`. For the rest, a [`Policy`] decides by age, size or number of runs.
//! Records are removed before the blobs and trees that they name, so a collector that is killed leaves
//! garbage for the next one but no dangling names. While it removes entries, no other process holds a
//! [guard](super::Guard).
//!
//! An entry that cannot be read may name anything. While there is one, only the quarantine and damaged action
//! records are removed:
//!
//! | entry | missing | damaged | cannot be read |
//! | --- | --- | --- | --- |
//! | record of a run | the run used nothing | what it used stays; if unknown, everything | everything stays |
//! | action record | names nothing | is removed, with what only it names | everything stays |
//! | tree | names nothing | names nothing | everything stays |
//! | mark in `latest` | nothing is shown | everything stays | everything stays |
//! | folder of checkpoints | - | is removed by age | everything stays |
//! | needs of a living process | the process holds a guard | nothing is collected | nothing is collected |

mod ledger;
mod lost;
mod uses;

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use self::ledger::Ledger;
pub use self::uses::{BadUse, RunUse, Uses};
use self::uses::{Moment, last_use, moments, newest};
use super::checkpoints::LOCK;
use super::files::{remove, sync};
use super::inventory::{Entry, FoundRecord, Inventory, Reading, Unread, entries};
use super::{ActionRecord, Error, Patience, Store, lock};
use crate::keys::{Digest, Key};

/// Results to collect besides garbage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Most bytes that results and checkpoints may take. The least recently used are removed first.
    pub max_size: Option<u64>,
    /// Longest time since a result was last used.
    pub max_age: Option<Duration>,
    /// Number of newest runs to keep of each pipeline, at least one. Results that no kept run used are removed.
    /// `None` keeps the newest run; results that it did not use are then removed only by age or size.
    pub keep_runs: Option<usize>,
}

/// An entry to be removed.
#[derive(Clone, Debug)]
pub struct Removal {
    pub entry: Entry,
    /// Kind of the entry, such as `result` or `file`.
    pub what: &'static str,
}

/// Outcome of a collection.
#[derive(Clone, Debug, Default)]
pub struct Collection {
    pub removals: Vec<Removal>,
    /// Bytes of results and checkpoints that stay.
    pub left: u64,
    /// `true` if `left` exceeds the policy's `max_size`, because everything left is needed.
    pub over: bool,
    /// Damaged records of runs. What these runs used is still known, and stays.
    pub damaged: Vec<Unread>,
    /// Entries that cannot be read and may name anything in the store. If there are any,
    /// the policy does not apply.
    pub unknown: Vec<Unread>,
    /// Damaged or missing parts of results, so that these results are lost, and folders whose size is not
    /// completely known. They do not stop the collection.
    pub noted: Vec<Unread>,
}

impl Collection {
    /// Returns the number of bytes to be removed.
    pub fn bytes(&self) -> u64 {
        self.removals
            .iter()
            .map(|removal| removal.entry.bytes)
            .sum()
    }

    fn add(&mut self, what: &'static str, entries: impl IntoIterator<Item = Entry>) {
        let removals = entries.into_iter().map(|entry| Removal { entry, what });
        self.removals.extend(removals);
    }
}

/// An entry that a policy may remove.
#[derive(Clone, Copy)]
enum Candidate<'a> {
    Record(&'a FoundRecord, &'a ActionRecord),
    Checkpoints(&'a Entry),
}

impl Store {
    /// Finds what `policy` removes. With `apply`, also removes it; the value is how long to wait for the
    /// processes that hold guards. `uses` returns what all runs used. With `apply`, it is called once no other
    /// process holds a guard, so no run can end unnoticed in between.
    ///
    /// # Errors
    /// [`Error::Busy`] if the wait was too short.
    pub fn collect(
        &self,
        policy: &Policy,
        uses: impl FnOnce() -> io::Result<Uses>,
        apply: Option<Patience>,
    ) -> Result<Collection, Error> {
        let _guard = match apply {
            Some(patience) => self.exclude(patience),
            None => self.guard(),
        }?;
        let runs = self.runs_folder();
        let uses = uses().map_err(Error::io("read", &runs))?;
        let inventory = self.inventory()?;
        let needs = self.needs()?;
        let (shown, marks) = self.shown_trees()?;
        let unread = marks.iter().chain(inventory.unread());
        let unknown = uses.bad_records(false).chain(unread);
        let unknown: Vec<Unread> = unknown.cloned().collect();
        let policy = match unknown.is_empty() {
            true => *policy,
            false => Policy::default(),
        };
        let mut choice = Choice::new(&policy, &inventory, &uses, &shown);
        let needed = needs.iter().flat_map(|needs| needs.keys.iter().copied());
        choice.choose_records(needed.chain(uses.of_bad()).collect());
        choice.choose_checkpoints()?;
        choice.fit();
        let live: HashSet<&str> = needs.iter().map(|needs| needs.run.as_str()).collect();
        let collection = choice.into_collection(self, entries(&runs)?, &live, unknown);
        if apply.is_some() {
            self.remove_all(&collection)?;
        }
        Ok(collection)
    }

    /// Removes what was chosen: records before what they name.
    fn remove_all(&self, collection: &Collection) -> Result<(), Error> {
        let is_record = |removal: &&Removal| removal.what == RECORDS;
        let (records, rest): (Vec<_>, Vec<_>) = collection.removals.iter().partition(is_record);
        for removals in [records, rest] {
            for Removal { entry, what } in removals {
                let gone = match *what {
                    RUNS => self.move_aside(&entry.path)?,
                    _ => entry.path.clone(),
                };
                remove(&gone).map_err(Error::io("remove", &entry.path))?;
            }
            // Otherwise a power cut could bring back a record whose files are gone.
            let actions = self.home.join("actions");
            sync(&actions).map_err(Error::io("flush", &actions))?;
        }
        Ok(())
    }

    /// Moves a run's folder away in one step: half a folder would look like a run whose record was lost.
    fn move_aside(&self, folder: &Path) -> Result<PathBuf, Error> {
        let aside = self.session()?.fresh("removed");
        match fs::rename(folder, &aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", folder)(error))
            }
            _ => Ok(aside),
        }
    }
}

/// The choice of what to remove, in progress.
struct Choice<'a> {
    policy: &'a Policy,
    inventory: &'a Inventory,
    uses: &'a Uses,
    shown: &'a HashSet<Digest>,
    now: SystemTime,
    kept_runs: BTreeSet<PathBuf>,
    /// Paths of the records to remove.
    records: HashSet<&'a PathBuf>,
    checkpoints: Vec<&'a Entry>,
    /// Candidates for removal by size, with their last use.
    candidates: Vec<(Moment, Candidate<'a>)>,
    ledger: Ledger<'a>,
}

impl<'a> Choice<'a> {
    fn new(
        policy: &'a Policy,
        inventory: &'a Inventory,
        uses: &'a Uses,
        shown: &'a HashSet<Digest>,
    ) -> Self {
        Self {
            policy,
            inventory,
            uses,
            shown,
            now: SystemTime::now(),
            kept_runs: newest(&uses.runs, policy.keep_runs.unwrap_or(1).max(1)),
            records: HashSet::new(),
            checkpoints: Vec::new(),
            candidates: Vec::new(),
            ledger: Ledger::new(inventory, shown),
        }
    }

    fn kept_runs(&self) -> impl Iterator<Item = &'a RunUse> {
        let runs = self.uses.runs.iter();
        runs.filter(|run| self.kept_runs.contains(&run.folder))
    }

    fn is_old(&self, used: SystemTime) -> bool {
        let age = self.now.duration_since(used).unwrap_or_default();
        self.policy.max_age.is_some_and(|most| age > most)
    }

    fn is_over(&self) -> bool {
        self.policy
            .max_size
            .is_some_and(|most| self.ledger.left > most)
    }

    /// Drops records by number of runs and by age. `needed` are the keys that runs in progress need, and those that
    /// runs with damaged records used.
    fn choose_records(&mut self, mut needed: HashSet<Key>) {
        needed.extend(self.kept_runs().flat_map(|run| run.keys.iter().copied()));
        let protected = protected(self.inventory, &needed, self.shown);
        let last_use = last_use(&self.uses.runs);
        for found in &self.inventory.records {
            let record = match &found.record {
                Reading::Sound(record) => record,
                Reading::Damaged => {
                    self.records.insert(&found.entry.path);
                    continue;
                }
                Reading::Refused(_) => continue,
            };
            if protected.contains(&found.key) {
                continue;
            }
            let by_runs = [found.key, record.action_key];
            let used = by_runs.iter().filter_map(|key| last_use.get(key)).max();
            let used = used.copied().unwrap_or(Moment::of(found.entry.written));
            let candidate = Candidate::Record(found, record);
            if self.policy.keep_runs.is_some() || self.is_old(used.time) {
                self.drop(candidate);
            } else {
                self.candidates.push((used, candidate));
            }
        }
    }

    /// Drops checkpoints that are not in use: old ones, and those older than the kept runs.
    fn choose_checkpoints(&mut self) -> Result<(), Error> {
        let oldest_kept = self.kept_runs().map(|run| run.started).min();
        for entry in &self.inventory.checkpoints {
            let lock = entry.path.join(LOCK);
            // A process that is about to use the checkpoints needs a guard, so it waits for the collector.
            if !lock::is_free(&lock).map_err(Error::io("lock", &lock))? {
                continue;
            }
            // A run with a damaged record stays too, and may have begun before the oldest kept run.
            let before_kept = self.policy.keep_runs.is_some()
                && self.uses.bad.is_empty()
                && oldest_kept.is_none_or(|oldest| entry.written < oldest);
            let candidate = Candidate::Checkpoints(entry);
            if before_kept || self.is_old(entry.written) {
                self.drop(candidate);
            } else {
                self.candidates.push((Moment::of(entry.written), candidate));
            }
        }
        Ok(())
    }

    /// Drops the least recently used candidates until the rest is small enough.
    fn fit(&mut self) {
        self.candidates.sort_by_key(|&(used, _)| Reverse(used));
        while self.is_over()
            && let Some((_, candidate)) = self.candidates.pop()
        {
            self.drop(candidate);
        }
    }

    fn drop(&mut self, candidate: Candidate<'a>) {
        match candidate {
            Candidate::Record(found, record) => {
                self.ledger.drop_record(record);
                self.records.insert(&found.entry.path);
            }
            Candidate::Checkpoints(entry) => {
                self.ledger.drop_checkpoints(entry);
                self.checkpoints.push(entry);
            }
        }
    }

    /// Returns everything to be removed. `folders` are those of all runs, `live` the names of the runs in
    /// progress, `unknown` the entries that may name anything.
    fn into_collection(
        self,
        store: &Store,
        folders: Vec<Entry>,
        live: &HashSet<&str>,
        unknown: Vec<Unread>,
    ) -> Collection {
        let inventory = self.inventory;
        let reached = reached(inventory, &self.records, self.shown);
        let is_garbage = |is_reached: bool| !is_reached && unknown.is_empty();
        let is_removed = |(run, moment): &(&RunUse, Moment)| {
            let name = run.folder.file_name().unwrap_or_default().to_string_lossy();
            let is_kept = self.kept_runs.contains(&run.folder)
                || live.contains(name.as_ref())
                || self.uses.is_bad(&run.folder);
            !is_kept && (self.policy.keep_runs.is_some() || self.is_old(moment.time))
        };
        let old = moments(&self.uses.runs).filter(is_removed);
        let old: BTreeSet<&PathBuf> = old.map(|(run, _)| &run.folder).collect();

        let mut collection = Collection {
            left: self.ledger.left,
            over: self.is_over(),
            ..Collection::default()
        };
        let records = inventory.records.iter().map(|found| &found.entry);
        let records = records.filter(|entry| self.records.contains(&entry.path));
        collection.add(RECORDS, records.cloned());
        let trees = inventory.trees.iter();
        let trees = trees.filter(|(digest, _)| is_garbage(reached.trees.contains(*digest)));
        collection.add("file list", trees.map(|(_, (entry, _))| entry.clone()));
        let blobs = inventory.blobs.iter();
        let blobs = blobs.filter(|(digest, _)| is_garbage(reached.blobs.contains(*digest)));
        collection.add("file", blobs.map(|(_, entry)| entry.clone()));
        collection.add("checkpoint folder", self.checkpoints.into_iter().cloned());
        collection.add("damaged file", inventory.quarantine.iter().cloned());
        let folders = folders.into_iter();
        collection.add(RUNS, folders.filter(|entry| old.contains(&entry.path)));
        collection.noted = lost::find(store, inventory, &reached.trees);
        let sizes = collection.removals.iter();
        let sizes = sizes.filter_map(|removal| removal.entry.unread.clone());
        collection.noted.extend(sizes.collect::<Vec<_>>());
        collection.damaged = self.uses.bad_records(true).cloned().collect();
        collection.unknown = unknown;
        collection
    }
}

/// Kinds of removals that are treated specially: action records, and the folders of runs.
const RECORDS: &str = "result";
const RUNS: &str = "run folder";

/// Returns the keys of the records that no policy may remove: needed ones, those that `latest` shows, and
/// those under the content keys of either.
fn protected(
    inventory: &Inventory,
    needed: &HashSet<Key>,
    shown: &HashSet<Digest>,
) -> HashSet<Key> {
    let records = || inventory.records.iter();
    let is_shown = |record: &ActionRecord| {
        !record.outputs.is_empty() && record.outputs.values().all(|tree| shown.contains(tree))
    };
    let mut protected = HashSet::new();
    for found in records() {
        if let Some(record) = found.record.sound()
            && (needed.contains(&found.key) || is_shown(record))
        {
            protected.extend([found.key, record.content_key]);
        }
    }
    protected
}

/// Trees and blobs that records and `latest` name.
#[derive(Default)]
struct Reached {
    trees: HashSet<Digest>,
    blobs: HashSet<Digest>,
}

fn reached(inventory: &Inventory, gone: &HashSet<&PathBuf>, shown: &HashSet<Digest>) -> Reached {
    let staying = inventory.records.iter();
    let staying = staying.filter(|found| !gone.contains(&found.entry.path));
    let named = staying.filter_map(|found| found.record.sound());
    let mut reached = Reached::default();
    for digest in named
        .flat_map(|record| record.outputs.values())
        .chain(shown)
    {
        if reached.trees.insert(*digest)
            && let Some((_, Reading::Sound(tree))) = inventory.trees.get(digest)
        {
            reached
                .blobs
                .extend(tree.files.values().map(|blob| blob.digest));
        }
    }
    reached
}
