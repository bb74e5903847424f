//! Collecting what nothing needs any more.
//!
//! Kept in any case is what these name: the newest runs of every pipeline, runs that go on, and
//! `latest`. Of the rest, a policy decides by age, size or number of runs. Records go first, then what
//! no record names: a collector that is killed leaves garbage for the next one and nothing dangling.
//! While it works nobody holds a [guard](super::Guard).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::checkpoints::LOCK;
use super::files::{remove, sync_folder};
use super::inventory::{Entry, FoundRecord, Inventory, entries};
use super::session::open_lock;
use super::{ActionRecord, Digest, Error, Key, Store};

/// What to collect beside garbage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Most bytes that results and checkpoints may take: the least recently used go first.
    pub max_size: Option<u64>,
    /// Longest time since a result was last used.
    pub max_age: Option<Duration>,
    /// Of each pipeline the runs that are kept; what only others used goes. One is kept even where
    /// nothing is said.
    pub keep_runs: Option<usize>,
}

/// What a run used.
#[derive(Clone, Debug)]
pub struct RunUse {
    pub folder: PathBuf,
    pub pipeline: String,
    pub started: SystemTime,
    /// Action keys.
    pub keys: BTreeSet<Key>,
}

/// Something to be removed.
#[derive(Clone, Debug)]
pub struct Removal {
    pub entry: Entry,
    /// What it is, in the plural: `results`, `files of no result`.
    pub what: &'static str,
}

/// What a collection comes to.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    pub removals: Vec<Removal>,
    /// Bytes of results and checkpoints that are left.
    pub left: u64,
    /// Whether that is more than the policy's `max_size`, as all of it is needed.
    pub over: bool,
}

impl Collected {
    /// Bytes that go.
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

/// Something a policy may let go, in the order of its last use.
enum Candidate<'a> {
    Record(&'a FoundRecord, &'a ActionRecord),
    Checkpoints(&'a Entry),
}

impl Store {
    /// Collects by `policy`, where `runs` are all that there were; removes what that is if `apply`.
    pub fn collect(
        &self,
        policy: &Policy,
        runs: &[RunUse],
        apply: bool,
    ) -> Result<Collected, Error> {
        let _alone = self.exclude()?;
        let inventory = self.inventory()?;
        let needs = self.needs()?;
        let now = SystemTime::now();
        let is_old = |used: SystemTime| {
            let age = now.duration_since(used).unwrap_or_default();
            policy.max_age.is_some_and(|most| age > most)
        };

        let kept_runs = newest(runs, policy.keep_runs.unwrap_or(1).max(1));
        let kept = || runs.iter().filter(|run| kept_runs.contains(&run.folder));
        let mut needed: HashSet<Key> = kept().flat_map(|run| run.keys.iter().copied()).collect();
        needed.extend(needs.iter().flat_map(|needs| needs.keys.iter().copied()));
        let shown: HashSet<Digest> = self.shown_trees()?.into_iter().collect();
        let protected = protected(&inventory, &needed, &shown);

        let mut collected = Collected::default();
        let mut last_use: BTreeMap<Key, SystemTime> = BTreeMap::new();
        for run in runs {
            for &key in &run.keys {
                let used = last_use.entry(key).or_insert(run.started);
                *used = run.started.max(*used);
            }
        }
        let mut gone: HashSet<&PathBuf> = HashSet::new();
        let mut ledger = Ledger::new(&inventory, &shown);
        let mut candidates: Vec<(SystemTime, Candidate<'_>)> = Vec::new();
        for found in &inventory.records {
            let Some(record) = &found.record else {
                gone.insert(&found.entry.path);
                continue;
            };
            if protected.contains(&found.key) {
                continue;
            }
            let by_runs = [found.key, record.action_key];
            let used = by_runs.iter().filter_map(|key| last_use.get(key)).max();
            let used = used.copied().unwrap_or(found.entry.written);
            if policy.keep_runs.is_some() || is_old(used) {
                ledger.drop_record(record);
                gone.insert(&found.entry.path);
            } else {
                candidates.push((used, Candidate::Record(found, record)));
            }
        }
        let oldest_kept = kept().map(|run| run.started).min();
        let mut checkpoints_gone = Vec::new();
        let mut locks = Vec::new();
        for entry in &inventory.checkpoints {
            // Held to the end of this, so that nobody begins to use it.
            let Ok(lock) = open_lock(&entry.path.join(LOCK)) else {
                continue;
            };
            if lock.try_lock().is_err() {
                continue;
            }
            locks.push(lock);
            let before_kept = policy.keep_runs.is_some()
                && oldest_kept.is_none_or(|oldest| entry.written < oldest);
            if before_kept || is_old(entry.written) {
                ledger.drop_checkpoints(entry);
                checkpoints_gone.push(entry);
            } else {
                candidates.push((entry.written, Candidate::Checkpoints(entry)));
            }
        }

        candidates.sort_by_key(|&(used, _)| used);
        let mut candidates = candidates.into_iter();
        let is_over = |left: u64| policy.max_size.is_some_and(|most| left > most);
        while is_over(ledger.left)
            && let Some((_, candidate)) = candidates.next()
        {
            match candidate {
                Candidate::Record(found, record) => {
                    ledger.drop_record(record);
                    gone.insert(&found.entry.path);
                }
                Candidate::Checkpoints(entry) => {
                    ledger.drop_checkpoints(entry);
                    checkpoints_gone.push(entry);
                }
            }
        }
        collected.left = ledger.left;
        collected.over = is_over(ledger.left);

        let reached = reached(&inventory, &gone, &shown);
        let records = inventory.records.iter().map(|found| &found.entry);
        let records = records.filter(|entry| gone.contains(&entry.path));
        collected.add("results", records.cloned());
        let trees = inventory.trees.iter();
        let trees = trees.filter(|(digest, _)| !reached.trees.contains(*digest));
        collected.add("lists of files", trees.map(|(_, (entry, _))| entry.clone()));
        let blobs = inventory.blobs.iter();
        let blobs = blobs.filter(|(digest, _)| !reached.blobs.contains(*digest));
        collected.add("files", blobs.map(|(_, entry)| entry.clone()));
        collected.add("checkpoints", checkpoints_gone.into_iter().cloned());
        collected.add(
            "damaged files set aside",
            inventory.quarantine.iter().cloned(),
        );
        let live: HashSet<&str> = needs.iter().map(|needs| needs.run.as_str()).collect();
        let old_runs = runs.iter().filter(|run| {
            let name = run.folder.file_name().unwrap_or_default().to_string_lossy();
            !kept_runs.contains(&run.folder)
                && !live.contains(name.as_ref())
                && (policy.keep_runs.is_some() || is_old(run.started))
        });
        let old_runs: BTreeSet<&PathBuf> = old_runs.map(|run| &run.folder).collect();
        let folders = entries(&self.runs_folder())?;
        let folders = folders
            .into_iter()
            .filter(|entry| old_runs.contains(&entry.path));
        collected.add("run folders", folders);
        if apply {
            self.remove_all(&collected)?;
        }
        Ok(collected)
    }

    fn remove_all(&self, collected: &Collected) -> Result<(), Error> {
        for Removal { entry, .. } in &collected.removals {
            remove(&entry.path).map_err(Error::io("remove", &entry.path))?;
        }
        let actions = self.home.join("actions");
        sync_folder(&actions).map_err(Error::io("flush", &actions))
    }
}

/// The folders of the newest `count` runs of every pipeline.
fn newest(runs: &[RunUse], count: usize) -> BTreeSet<PathBuf> {
    let mut by_pipeline: BTreeMap<&str, Vec<&RunUse>> = BTreeMap::new();
    for run in runs {
        by_pipeline.entry(&run.pipeline).or_default().push(run);
    }
    let mut kept = BTreeSet::new();
    for runs in by_pipeline.values_mut() {
        runs.sort_by(|a, b| (b.started, &b.folder).cmp(&(a.started, &a.folder)));
        kept.extend(runs.iter().take(count).map(|run| run.folder.clone()));
    }
    kept
}

/// The keys of the records that no policy may let go: needed ones, those that `latest` shows, and
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
        if let Some(record) = &found.record
            && (needed.contains(&found.key) || is_shown(record))
        {
            protected.extend([found.key, record.content_key]);
        }
    }
    protected
}

/// What records and `latest` name.
#[derive(Default)]
struct Reached {
    trees: HashSet<Digest>,
    blobs: HashSet<Digest>,
}

fn reached(inventory: &Inventory, gone: &HashSet<&PathBuf>, shown: &HashSet<Digest>) -> Reached {
    let staying = inventory.records.iter();
    let staying = staying.filter(|found| !gone.contains(&found.entry.path));
    let named = staying.filter_map(|found| found.record.as_ref());
    let mut reached = Reached::default();
    for digest in named
        .flat_map(|record| record.outputs.values())
        .chain(shown)
    {
        if reached.trees.insert(*digest)
            && let Some((_, Some(tree))) = inventory.trees.get(digest)
        {
            reached
                .blobs
                .extend(tree.files.values().map(|blob| blob.digest));
        }
    }
    reached
}

/// Counts what is left while one result after another goes.
struct Ledger<'a> {
    inventory: &'a Inventory,
    /// How many records and `latest` name each blob.
    names: HashMap<Digest, usize>,
    left: u64,
}

impl<'a> Ledger<'a> {
    fn new(inventory: &'a Inventory, shown: &HashSet<Digest>) -> Self {
        let mut ledger = Self {
            inventory,
            names: HashMap::new(),
            left: inventory.checkpoints.iter().map(|entry| entry.bytes).sum(),
        };
        for found in &inventory.records {
            if let Some(record) = &found.record {
                ledger.count(inventory.blobs_of(record));
            }
        }
        let shown = shown
            .iter()
            .filter_map(|digest| inventory.trees.get(digest));
        let shown = shown.filter_map(|(_, tree)| tree.as_ref());
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

    fn drop_record(&mut self, record: &ActionRecord) {
        for blob in self.inventory.blobs_of(record) {
            let names = self.names.entry(blob).or_default();
            *names = names.saturating_sub(1);
            if *names == 0 {
                self.left -= self.bytes(&blob);
            }
        }
    }

    fn drop_checkpoints(&mut self, entry: &Entry) {
        self.left -= entry.bytes;
    }
}
