//! Results in a shared cache. The cache of these tests is another store, with faults.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::*;

/// Fault of a shared cache.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// Nothing can be reached after the lookup.
    GoneAfterLookup,
    WrongBytes,
    CutOff,
    NoTree,
    TornRecord,
    RecordOfAnotherKey,
}

#[derive(Debug)]
struct Other {
    folder: PathBuf,
    fault: Fault,
    offered: Mutex<Vec<Key>>,
    distrusted: Mutex<Vec<Key>>,
    fetched: Mutex<usize>,
}

impl Other {
    fn store(&self) -> Store {
        Store::open(&self.folder).unwrap()
    }
}

impl Remote for Other {
    fn look_up(&self, keys: &[Key]) -> Vec<Option<Vec<u8>>> {
        let read = |key: &Key| {
            let key = match self.fault {
                Fault::RecordOfAnotherKey => super::key("another"),
                _ => *key,
            };
            let mut bytes = fs::read(self.store().record_path(&key)).ok()?;
            if self.fault == Fault::TornRecord {
                bytes.truncate(bytes.len() / 2);
            }
            Some(bytes)
        };
        keys.iter().map(read).collect()
    }

    fn processors(&self) -> BTreeSet<String> {
        self.store().processors().unwrap()
    }

    fn trees(&self, digests: &[Digest]) -> Vec<Option<Vec<u8>>> {
        let is_there = !matches!(self.fault, Fault::NoTree | Fault::GoneAfterLookup);
        let read = |digest: &Digest| fs::read(self.store().tree_path(digest)).ok();
        digests
            .iter()
            .map(|digest| read(digest).filter(|_| is_there))
            .collect()
    }

    fn fetch(&self, blobs: Vec<(Blob, PathBuf)>) -> Vec<bool> {
        let copy = |(blob, path): (Blob, PathBuf)| {
            *lock(&self.fetched) += 1;
            let mut bytes = fs::read(self.store().blob_path(&blob.digest)).unwrap();
            match self.fault {
                Fault::WrongBytes => bytes[0] ^= 1,
                Fault::CutOff => bytes.truncate(bytes.len() - 1),
                _ => {}
            }
            fs::write(path, &bytes).unwrap();
            // It claims that all is well: the store must not believe it.
            true
        };
        blobs.into_iter().map(copy).collect()
    }

    fn offer(&self, record: &ActionRecord) {
        lock(&self.offered).push(record.action_key);
    }

    fn distrust(&self, key: &Key) {
        lock(&self.distrusted).push(*key);
    }

    fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    fn waiting(&self) -> usize {
        0
    }

    fn stop(&self) {}

    fn finish(&self) -> usize {
        0
    }
}

/// A store with an empty folder, attached to a store that has a result.
struct Pair {
    there: Fixture,
    here: Fixture,
    remote: Arc<Other>,
    record: ActionRecord,
}

impl Pair {
    fn new(fault: Fault) -> Self {
        let there = Fixture::new();
        let model = there.tree(&[("weights", "many numbers"), ("model.json", "{}")]);
        let log = there.tree(&[("history", "1 2 3")]);
        let record = record(&[("model", &model), ("history", &log)]);
        there.store.results().put(&[&record]).unwrap();
        let remote = Arc::new(Other {
            folder: there.store.root().to_owned(),
            fault,
            offered: Mutex::default(),
            distrusted: Mutex::default(),
            fetched: Mutex::default(),
        });
        let mut here = Fixture::new();
        here.store.attach(remote.clone());
        Self {
            there,
            here,
            remote,
            record,
        }
    }

    fn look_up(&self) -> Lookup {
        let keys = [self.record.action_key];
        let mut found = self.here.store.results().look_up(&keys).unwrap();
        found.pop().unwrap()
    }

    fn fetched(&self) -> usize {
        *lock(&self.remote.fetched)
    }
}

#[test]
fn an_output_is_copied_when_it_is_read() {
    let pair = Pair::new(Fault::None);
    let Pair { here, record, .. } = &pair;
    assert_eq!(pair.look_up(), Lookup::Hit(Box::new(record.clone())));
    assert_eq!(pair.fetched(), 0);
    assert!(!here.store.is_here(&record.outputs["model"]).unwrap());

    let results = here.store.results();
    let tree = results.get(&record.outputs["model"]).unwrap();
    results.verify(&tree).unwrap();
    assert_eq!(pair.fetched(), 2);
    let files = here.store.files_of(&tree);
    assert_eq!(fs::read(&files["weights"]).unwrap(), b"many numbers");
    // The second output was not read.
    assert!(!here.store.is_here(&record.outputs["history"]).unwrap());
    assert_eq!(here.store.lookup(&record.action_key).unwrap(), None);

    results.get(&record.outputs["history"]).unwrap();
    assert_eq!(pair.fetched(), 3);
    // Now it is a result like any other, also without the shared cache.
    let alone = here.reopened();
    assert_eq!(
        alone.lookup(&record.action_key).unwrap().as_ref(),
        Some(record)
    );
    assert_eq!(
        alone.lookup(&record.content_key).unwrap().as_ref(),
        Some(record)
    );
    assert_eq!(names(&here.home().join("remote")), [""; 0]);
}

/// Another process may have trusted another shared cache, or other keys.
#[test]
fn a_record_that_another_process_kept_is_not_used() {
    let pair = Pair::new(Fault::None);
    assert!(matches!(pair.look_up(), Lookup::Hit(_)));
    assert_eq!(names(&pair.here.home().join("remote")).len(), 1);
    let empty = Fixture::new();
    let mut again = pair.here.reopened();
    again.attach(Arc::new(Other {
        folder: empty.store.root().to_owned(),
        fault: Fault::None,
        offered: Mutex::default(),
        distrusted: Mutex::default(),
        fetched: Mutex::default(),
    }));
    let found = again
        .results()
        .look_up(&[pair.record.action_key, pair.record.content_key]);
    assert_eq!(found.unwrap(), [Lookup::Absent, Lookup::Absent]);
}

#[test]
fn equal_files_are_copied_once() {
    let pair = Pair::new(Fault::None);
    pair.here.tree(&[("other name", "many numbers")]);
    pair.look_up();
    let results = pair.here.store.results();
    results.get(&pair.record.outputs["model"]).unwrap();
    assert_eq!(pair.fetched(), 1);
}

#[test]
fn a_result_that_cannot_be_copied_is_no_longer_found() {
    for fault in [
        Fault::GoneAfterLookup,
        Fault::NoTree,
        Fault::WrongBytes,
        Fault::CutOff,
    ] {
        let pair = Pair::new(fault);
        let Pair { here, record, .. } = &pair;
        assert!(matches!(pair.look_up(), Lookup::Hit(_)), "{fault:?}");
        let results = here.store.results();
        let error = results.get(&record.outputs["model"]).unwrap_err();
        assert!(
            matches!(error, Error::Tree { damaged: false, .. }),
            "{fault:?}"
        );
        assert_eq!(pair.look_up(), Lookup::Absent, "{fault:?}");
        let distrusted = lock(&pair.remote.distrusted).clone();
        assert!(distrusted.contains(&record.action_key), "{fault:?}");
        assert_eq!(
            results.find(&record.content_key).unwrap(),
            None,
            "{fault:?}"
        );
        // Nothing wrong has got a name here.
        let check = here.store.check().unwrap();
        assert_eq!(check.findings, [], "{fault:?}");
        let blobs = here.store.inventory().unwrap().blobs;
        assert!(blobs.len() < 2, "{fault:?}: {blobs:?}");
    }
}

#[test]
fn a_record_that_is_torn_or_belongs_to_another_key_is_a_miss() {
    for fault in [Fault::TornRecord, Fault::RecordOfAnotherKey] {
        let pair = Pair::new(fault);
        let mut other = pair.record.clone();
        (other.action_key, other.content_key) = (key("another"), key("another's content"));
        pair.there.store.results().put(&[&other]).unwrap();
        assert_eq!(pair.look_up(), Lookup::Absent, "{fault:?}");
    }
}

#[test]
fn a_search_by_one_key_copies_all_outputs() {
    let pair = Pair::new(Fault::None);
    let results = pair.here.store.results();
    let found = results.find(&pair.record.content_key).unwrap();
    assert_eq!(found.as_ref(), Some(&pair.record));
    assert_eq!(pair.fetched(), 3);
}

#[test]
fn a_damaged_local_result_is_replaced_from_the_shared_cache() {
    let pair = Pair::new(Fault::None);
    let Pair { here, record, .. } = &pair;
    let results = here.store.results();
    results.find(&record.action_key).unwrap();
    let tree = results.get(&record.outputs["model"]).unwrap();
    overwrite(&here.store.files_of(&tree)["weights"], b"other");
    assert!(results.verify(&tree).is_err());
    assert!(matches!(pair.look_up(), Lookup::Hit(_)));
    let tree = results.get(&record.outputs["model"]).unwrap();
    results.verify(&tree).unwrap();
    assert_eq!(
        fs::read(&here.store.files_of(&tree)["weights"]).unwrap(),
        b"many numbers"
    );
}

#[test]
fn new_results_are_passed_on() {
    let pair = Pair::new(Fault::None);
    let mut made = record(&[("model", &pair.here.tree(&[("a", "alpha")]))]);
    made.action_key = key("made here");
    pair.here.store.results().put(&[&made]).unwrap();
    assert_eq!(*lock(&pair.remote.offered), [made.action_key]);
}

#[test]
fn a_result_found_by_content_is_kept_under_another_action_key() {
    let pair = Pair::new(Fault::None);
    let results = pair.here.store.results();
    let Some(Lookup::Hit(found)) = results.look_up(&[pair.record.content_key]).unwrap().pop()
    else {
        panic!("it is there");
    };
    let under = results
        .put_under(&found, key("new"), &fingerprint(2))
        .unwrap();
    assert_eq!(pair.fetched(), 0);
    let again = results.look_up(&[key("new")]).unwrap().pop();
    assert_eq!(again, Some(Lookup::Hit(Box::new(under.clone()))));
    results
        .fetch(&under.outputs.values().copied().collect::<Vec<_>>())
        .unwrap();
    assert_eq!(
        pair.here.reopened().lookup(&key("new")).unwrap(),
        Some(under)
    );
}

#[test]
fn a_collection_keeps_what_was_copied_and_a_verification_finds_it_right() {
    let pair = Pair::new(Fault::None);
    let Pair { here, record, .. } = &pair;
    pair.look_up();
    here.store.results().get(&record.outputs["model"]).unwrap();
    let collect = |policy: &Policy| {
        let uses = || Ok(Uses::default());
        here.store
            .collect(policy, uses, Some(Patience::Short))
            .unwrap()
    };
    let collection = collect(&Policy::default());
    assert!(collection.removals.is_empty(), "{:?}", collection.removals);
    assert_eq!(collection.noted, []);
    assert_eq!(here.store.check().unwrap().findings, []);
    let all = Policy {
        max_size: Some(0),
        ..Policy::default()
    };
    collect(&all);
    assert!(here.store.inventory().unwrap().blobs.is_empty());
}

#[test]
fn kinds_of_processors_are_those_of_both() {
    let pair = Pair::new(Fault::None);
    for (store, processor) in [(&pair.there.store, "x86-avx2"), (&pair.here.store, "x86")] {
        let mut made = pair.record.clone();
        (made.action_key, made.content_key) = (key(processor), key("content"));
        made.fingerprint.processor = Some(processor.to_owned());
        made.outputs.clear();
        store.results().put(&[&made]).unwrap();
    }
    let found = pair.here.store.results().processors().unwrap();
    assert_eq!(found, ["x86", "x86-avx2"].map(str::to_owned).into());
    assert_eq!(pair.here.store.processors().unwrap().len(), 1);
}
