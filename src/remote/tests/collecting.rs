//! Collections of a remote.

use std::collections::HashSet;
use std::time::SystemTime;

use super::*;
use crate::collect::{LEAST_GRACE, Policy};
use crate::names::ObjectName;

/// Makes all files of a folder older.
fn age(folder: &Path, by: Duration) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path, by);
        } else {
            let file = File::options().write(true).open(&path).unwrap();
            let modified = file.metadata().unwrap().modified().unwrap();
            file.set_modified(modified - by).unwrap();
        }
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);

struct Shared {
    place: Place,
    machine: Machine,
    remote: Remote,
}

impl Shared {
    fn new() -> Self {
        let place = Place::folder();
        let machine = Machine::new();
        let remote = machine.remote(&place);
        Self {
            place,
            machine,
            remote,
        }
    }

    fn root(&self) -> &Path {
        match &self.place.address {
            Address::Folder(root) => root,
            _ => unreachable!("it is a folder"),
        }
    }

    fn push(&self, name: &str, files: &[(&str, &[u8])]) -> Key {
        let name = self.machine.record(name, files);
        let remote = self.machine.remote(&self.place);
        remote
            .push(&self.machine.source(), std::slice::from_ref(&name))
            .remove(0)
            .unwrap();
        name
    }

    fn has(&self, content: &[u8]) -> bool {
        let name = ObjectName::Blob(blake3::hash(content).into());
        self.remote
            .objects
            .stat(&name.to_string())
            .unwrap()
            .is_some()
    }
}

#[test]
fn old_records_go_with_what_only_they_need() {
    let shared = Shared::new();
    let (common, own) = (noise(1, 2000), noise(2, 3000));
    let old = shared.push("old", &[("common", &common), ("own", &own)]);
    let kept = shared.push("kept", &[("common", &common), ("other", b"other")]);
    age(shared.root(), 10 * DAY);
    let new = shared.push("new", &[("common", &common)]);
    let policy = Policy {
        older_than: Some(5 * DAY),
        keep: HashSet::from([kept]),
        ..Policy::default()
    };
    let plan = shared.remote.plan_collection(&policy).unwrap();
    assert_eq!(plan.records, std::slice::from_ref(&old));
    // One blob and one tree.
    assert_eq!((plan.objects(), plan.kept_records), (2, 2));
    // A plan changes nothing.
    assert!(shared.has(&own));
    let removed = shared.remote.collect(&plan).unwrap();
    assert_eq!(
        (removed.records, removed.objects, removed.bytes),
        (1, 2, plan.bytes)
    );
    assert!(shared.has(&common) && !shared.has(&own));
    let remote = Machine::new().remote(&shared.place);
    assert!(fetched(&remote, &kept).is_some() && fetched(&remote, &new).is_some());
    assert_eq!(fetched(&remote, &old), None);
    assert_eq!(remote.problem(), None);
}

#[test]
fn young_objects_stay_even_if_nothing_needs_them() {
    let shared = Shared::new();
    let old = shared.push("old", &[("file", b"young blob")]);
    // Only the record is old.
    age(&shared.root().join("v1/actions"), 10 * DAY);
    let policy = Policy {
        older_than: Some(DAY),
        // A shorter grace period than the least one has no effect.
        grace: Duration::ZERO,
        ..Policy::default()
    };
    let plan = shared.remote.plan_collection(&policy).unwrap();
    assert_eq!((plan.records.len(), plan.objects()), (1, 0));
    shared.remote.collect(&plan).unwrap();
    assert!(shared.has(b"young blob"));
    assert_eq!(shared.remote.look_up(&[old]), [None]);
}

/// A writer that is killed leaves a temporary file.
#[test]
fn files_of_killed_writers_go_when_they_are_old() {
    let shared = Shared::new();
    shared.push("one", &[("file", b"one")]);
    let tmp = shared.root().join("v1/tmp");
    fs::write(tmp.join("old"), "torn").unwrap();
    age(&tmp, DAY);
    fs::write(tmp.join("new"), "being written").unwrap();
    let plan = shared.remote.plan_collection(&Policy::default()).unwrap();
    shared.remote.collect(&plan).unwrap();
    let left: Vec<_> = fs::read_dir(&tmp).unwrap().flatten().collect();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].file_name(), "new");
}

#[test]
fn the_oldest_records_go_until_the_size_fits() {
    let shared = Shared::new();
    let names: Vec<_> = (0..4)
        .map(|i| {
            let name = shared.push(&i.to_string(), &[("file", &noise(i, 100_000))]);
            age(shared.root(), 3 * DAY);
            name
        })
        .collect();
    let policy = Policy {
        most_bytes: Some(250_000),
        keep: HashSet::from([names[0]]),
        ..Policy::default()
    };
    let plan = shared.remote.plan_collection(&policy).unwrap();
    assert_eq!(plan.records, names[1..3]);
    assert!(plan.kept_bytes < 250_000 && plan.bytes > 200_000);
    shared.remote.collect(&plan).unwrap();
    let remote = Machine::new().remote(&shared.place);
    let found: Vec<_> = names
        .iter()
        .map(|name| fetched(&remote, name).is_some())
        .collect();
    assert_eq!(found, [true, false, false, true]);
}

/// An uploader relies on an old object only after it has renewed the object's time.
#[test]
fn an_object_that_an_uploader_relies_on_is_not_deleted() {
    let shared = Shared::new();
    let content = noise(5, 200_000);
    let old = shared.push("old", &[("file", &content)]);
    age(shared.root(), 10 * DAY);
    let policy = Policy {
        older_than: Some(DAY),
        ..Policy::default()
    };
    // The plan is made before the upload, and applied after it.
    let plan = shared.remote.plan_collection(&policy).unwrap();
    assert_eq!(
        (plan.records.as_slice(), plan.objects()),
        ([old].as_slice(), 2)
    );
    let machine = Machine::new();
    let new = machine.record("new", &[("file", &content)]);
    let remote = machine.remote(&shared.place);
    remote
        .push(&machine.source(), std::slice::from_ref(&new))
        .remove(0)
        .unwrap();
    // The blob was not sent again.
    assert!(remote.statistics().sent < 10_000);
    let removed = shared.remote.collect(&plan).unwrap();
    assert_eq!((removed.records, removed.objects), (1, 0));
    assert!(fetched(&remote, &new).unwrap()["file"] == content);
}

/// Should an object be lost all the same, the record that names it goes too: no record stays without its blobs.
#[test]
fn a_new_record_of_a_deleted_object_is_deleted() {
    let shared = Shared::new();
    let content = noise(6, 200_000);
    shared.push("old", &[("file", &content)]);
    age(shared.root(), 10 * DAY);
    let policy = Policy {
        older_than: Some(DAY),
        ..Policy::default()
    };
    let plan = shared.remote.plan_collection(&policy).unwrap();
    let new = shared.push("new", &[("file", &content)]);
    // As if its uploader had relied on objects without renewing them.
    age(&shared.root().join("v1/cas"), 10 * DAY);
    let removed = shared.remote.collect(&plan).unwrap();
    assert_eq!((removed.records, removed.objects), (2, 2));
    let remote = Machine::new().remote(&shared.place);
    assert_eq!(remote.look_up(&[new]), [None]);
    assert_eq!(remote.problem(), None);
}

#[test]
fn void_records_go_when_they_are_old() {
    let shared = Shared::new();
    let names: Vec<_> = ["torn", "incomplete", "sound"]
        .into_iter()
        .map(|name| shared.push(name, &[("file", name.as_bytes())]))
        .collect();
    let path = |name: &Key| shared.root().join(ObjectName::Record(*name).to_string());
    fs::write(path(&names[0]), "torn").unwrap();
    let record = shared.machine.store.lookup(&names[1]).unwrap().unwrap();
    let tree = ObjectName::Tree(record.outputs["out0"]);
    fs::remove_file(shared.root().join(tree.to_string())).unwrap();
    let plan = shared.remote.plan_collection(&Policy::default()).unwrap();
    assert_eq!(plan.records, []);
    age(shared.root(), LEAST_GRACE);
    let plan = shared.remote.plan_collection(&Policy::default()).unwrap();
    let planned: HashSet<_> = plan.records.iter().collect();
    assert_eq!(planned, names[..2].iter().collect());
    shared.remote.collect(&plan).unwrap();
    let remote = Machine::new().remote(&shared.place);
    assert!(fetched(&remote, &names[2]).is_some());
}

/// Uploads go on while collections run. In the end, every record is complete.
#[test]
fn uploads_during_collections_lose_nothing() {
    let shared = Shared::new();
    let contents: Vec<_> = (0..10).map(|i| noise(i, 100_000)).collect();
    for (i, content) in contents.iter().enumerate() {
        shared.push(&format!("old {i}"), &[("file", content)]);
    }
    age(shared.root(), 10 * DAY);
    let policy = Policy {
        older_than: Some(5 * DAY),
        ..Policy::default()
    };
    let names = std::thread::scope(|scope| {
        let uploads = scope.spawn(|| {
            let machine = Machine::new();
            let remote = machine.remote(&shared.place);
            let names: Vec<_> = contents
                .iter()
                .enumerate()
                .map(|(i, content)| {
                    let name = machine.record(&format!("new {i}"), &[("file", content)]);
                    let pushed = remote.push(&machine.source(), std::slice::from_ref(&name));
                    assert!(pushed[0].is_ok());
                    name
                })
                .collect();
            names
        });
        for _ in 0..cases(5, 50) {
            let plan = shared.remote.plan_collection(&policy).unwrap();
            shared.remote.collect(&plan).unwrap();
        }
        uploads.join().unwrap()
    });
    let remote = Machine::new().remote(&shared.place);
    for name in names {
        assert!(fetched(&remote, &name).is_some());
    }
    assert_eq!(remote.problem(), None);
}

#[test]
fn a_real_server_can_be_collected() {
    let Some(place) = Place::s3() else {
        return;
    };
    let machine = Machine::new();
    let remote = machine.remote(&place);
    let names: Vec<_> = (0..3)
        .map(|i| machine.record(&i.to_string(), &[("file", &noise(i, 5000))]))
        .collect();
    for result in remote.push(&machine.source(), &names) {
        result.unwrap();
    }
    let policy = Policy {
        most_bytes: Some(0),
        keep: HashSet::from([names[0]]),
        ..Policy::default()
    };
    let plan = remote.plan_collection(&policy).unwrap();
    // Blobs and trees are too young.
    assert_eq!(
        (plan.records.len(), plan.objects(), plan.kept_records),
        (2, 0, 1)
    );
    remote.collect(&plan).unwrap();
    let reader = Machine::new().remote(&place);
    let found: Vec<_> = names
        .iter()
        .map(|name| fetched(&reader, name).is_some())
        .collect();
    assert_eq!(found, [true, false, false]);

    // The time of an object can be renewed without sending it again.
    let name = ObjectName::Blob(blake3::hash(&noise(0, 5000)).into()).to_string();
    std::thread::sleep(Duration::from_millis(1100));
    let before = remote.objects.stat(&name).unwrap().unwrap();
    assert!(remote.objects.touch(&name).unwrap());
    let after = remote.objects.stat(&name).unwrap().unwrap();
    assert_eq!(before.bytes, after.bytes);
    assert!(after.modified > before.modified);
    let now = remote.objects.now().unwrap();
    let local = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    assert!(now.abs_diff(i64::try_from(local).unwrap()) < 60);
}

#[test]
fn a_server_that_does_not_list_says_so() {
    let remote = Machine::new().remote(&Place::server());
    let error = remote.plan_collection(&Policy::default()).unwrap_err();
    assert!(error.to_string().contains("file:///folder"), "{error}");
}
