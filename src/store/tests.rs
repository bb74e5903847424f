//! The store's laws. Tests that need a second process run this test binary again, on `child`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::json;
use stages::contract::DeviceClass;
use tempfile::TempDir;

use super::*;
use crate::plan::Fingerprint;

struct Fixture {
    folder: TempDir,
    store: Store,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("artifacts")).unwrap();
        Self { folder, store }
    }

    /// Another instance, as a later process would have.
    fn reopened(&self) -> Store {
        Store::open(self.store.root()).unwrap()
    }

    /// Ingests files of these names and contents.
    fn tree(&self, files: &[(&str, &str)]) -> Tree {
        ingest(&self.store, files)
    }

    fn home(&self) -> PathBuf {
        self.store.root().join("v1")
    }
}

fn ingest(store: &Store, files: &[(&str, &str)]) -> Tree {
    let staging = store.staging().unwrap();
    fill(staging.path(), files);
    store.ingest(staging.path()).unwrap()
}

fn fill(folder: &Path, files: &[(&str, &str)]) {
    for (name, content) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

fn key(text: &str) -> Key {
    Key::derive("test", text.as_bytes())
}

fn record(outputs: &[(&str, &Tree)]) -> ActionRecord {
    ActionRecord {
        action_key: key("action"),
        content_key: key("content"),
        fingerprint: fingerprint(1),
        outputs: outputs
            .iter()
            .map(|(port, tree)| (port.to_string(), tree.digest))
            .collect(),
        seconds: 1.5,
        cpu_seconds: 2.25,
        peak_memory_mib: 64.0,
        notes: vec!["best epoch 7".into()],
        finished: "2025-11-23T08:00:00Z".into(),
        runner: "0.1.0".into(),
    }
}

fn fingerprint(seed: u64) -> Fingerprint {
    Fingerprint {
        format: 1,
        kind: "train-cnn".into(),
        version: 3,
        params: json!({"epochs": 6, "rate": 0.001}),
        seed,
        device: DeviceClass::Cpu,
        inputs: BTreeMap::new(),
    }
}

fn overwrite(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Names in a folder, sorted; none if it is not there.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

// Trees and blobs.

#[test]
fn golden_tree_digest() {
    let tree = Fixture::new().tree(&[("weights/a.bin", "alpha"), ("b.json", "{}")]);
    assert_eq!(
        tree.files["weights/a.bin"].digest.to_string(),
        "644a9bc57c6063e2ba4028fa73ed585170ae7db8ac7723d32be49c021a0225f5"
    );
    assert_eq!(
        tree.digest.to_string(),
        "98b1d6d07f4f01f1ef1b6692613d3f1698d8ac37394ad3f29b697154ff8a6c34"
    );
}

#[test]
fn a_tree_is_its_names_and_contents() {
    let fixture = Fixture::new();
    let tree = fixture.tree(&[("a", "1"), ("b", "2")]);
    assert_eq!(fixture.tree(&[("b", "2"), ("a", "1")]), tree);
    assert_ne!(fixture.tree(&[("a", "2"), ("b", "1")]).digest, tree.digest);
    assert_ne!(fixture.tree(&[("a", "1"), ("c", "2")]).digest, tree.digest);
    assert_ne!(fixture.tree(&[("a", "1")]).digest, tree.digest);
    assert_eq!(fixture.reopened().tree(&tree.digest).unwrap(), tree);
}

#[test]
fn a_blob_is_read_only_and_moved_not_copied() {
    let fixture = Fixture::new();
    let staging = fixture.store.staging().unwrap();
    fill(staging.path(), &[("a", "alpha")]);
    let inode = fs::metadata(staging.path().join("a")).unwrap().ino();
    let tree = fixture.store.ingest(staging.path()).unwrap();

    let blob = fixture.store.blob_path(&tree.files["a"].digest);
    let metadata = fs::metadata(&blob).unwrap();
    assert_eq!(fs::read_to_string(&blob).unwrap(), "alpha");
    assert_eq!(tree.files["a"].bytes, 5);
    assert_eq!(metadata.mode() & 0o777, 0o444);
    assert_eq!(metadata.ino(), inode);
}

#[test]
fn a_blob_that_is_there_is_not_written_again() {
    let fixture = Fixture::new();
    let tree = fixture.tree(&[("a", "alpha")]);
    let blob = fixture.store.blob_path(&tree.files["a"].digest);
    let before = fs::metadata(&blob).unwrap();
    assert_eq!(ingest(&fixture.reopened(), &[("a", "alpha")]), tree);
    let after = fs::metadata(&blob).unwrap();
    assert_eq!(
        (before.ino(), before.ctime_nsec()),
        (after.ino(), after.ctime_nsec())
    );
}

#[test]
fn a_damaged_blob_is_replaced_when_its_content_comes_again() {
    let fixture = Fixture::new();
    let tree = fixture.tree(&[("a", "alpha")]);
    let blob = fixture.store.blob_path(&tree.files["a"].digest);
    overwrite(&blob, b"alphA");
    let store = fixture.reopened();
    assert_eq!(ingest(&store, &[("a", "alpha")]), tree);
    assert_eq!(fs::read(&blob).unwrap(), b"alpha");
    fixture.reopened().verify(&tree).unwrap();
}

#[test]
fn a_file_with_other_names_is_copied() {
    let fixture = Fixture::new();
    let mine = fixture.folder.path().join("mine");
    fs::write(&mine, "alpha").unwrap();
    let staging = fixture.store.staging().unwrap();
    let folder = fs::canonicalize(staging.path()).unwrap();
    fs::hard_link(&mine, folder.join("a")).unwrap();
    let tree = fixture.store.ingest(staging.path()).unwrap();

    let blob = fs::metadata(fixture.store.blob_path(&tree.files["a"].digest)).unwrap();
    let metadata = fs::metadata(&mine).unwrap();
    assert_ne!(metadata.ino(), blob.ino());
    assert_ne!(metadata.mode() & 0o200, 0);
}

#[test]
fn what_is_no_plain_file_is_refused() {
    let refused = |prepare: &dyn Fn(&Path)| {
        let fixture = Fixture::new();
        let staging = fixture.store.staging().unwrap();
        fill(staging.path(), &[("fine", "alpha")]);
        prepare(staging.path());
        let error = fixture.store.ingest(staging.path()).unwrap_err();
        assert!(names(&fixture.home().join("cas")).is_empty());
        error.to_string()
    };
    let link = |folder: &Path| symlink("/etc/hostname", folder.join("link")).unwrap();
    assert!(refused(&link).contains("link`: it is a symbolic link"));
    let folder_link = |folder: &Path| symlink(".", folder.join("link")).unwrap();
    assert!(refused(&folder_link).contains("link`: it is a symbolic link"));
    let pipe = |folder: &Path| {
        let path = folder.join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
    };
    assert!(refused(&pipe).contains("pipe`: it is a special file"));
    let name = |folder: &Path| fs::write(folder.join("a\nb"), "").unwrap();
    assert!(refused(&name).contains("control character"));
    let name = |folder: &Path| {
        use std::os::unix::ffi::OsStrExt;
        fs::write(folder.join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    };
    assert!(refused(&name).contains("not UTF-8"));
}

#[test]
fn a_damaged_or_missing_blob_is_noticed_once_read() {
    type Damage = fn(&Path);
    let damages: [(Damage, bool); 4] = [
        (|blob| overwrite(blob, b"alphb"), true),
        (|blob| overwrite(blob, b"alph"), true),
        (|blob| overwrite(blob, b""), true),
        (|blob| fs::remove_file(blob).unwrap(), false),
    ];
    for (damage, set_aside) in damages {
        let fixture = Fixture::new();
        let tree = fixture.tree(&[("sub/a", "alpha"), ("b", "beta")]);
        let digest = tree.files["sub/a"].digest;
        damage(&fixture.store.blob_path(&digest));
        let store = fixture.reopened();
        match store.verify(&tree).unwrap_err() {
            Error::Blob {
                name,
                digest: bad,
                damaged,
            } => {
                assert_eq!((name.as_str(), bad, damaged), ("sub/a", digest, set_aside));
            }
            error => panic!("{error}"),
        }
        assert!(!store.blob_path(&digest).exists());
        let kept = if set_aside {
            vec![digest.to_string()]
        } else {
            vec![]
        };
        assert_eq!(names(&fixture.home().join("quarantine")), kept);
    }
}

#[test]
fn a_blob_is_read_once_per_store() {
    let fixture = Fixture::new();
    let tree = fixture.tree(&[("a", "alpha")]);
    let store = fixture.reopened();
    store.verify(&tree).unwrap();
    overwrite(&store.blob_path(&tree.files["a"].digest), b"alphb");
    store.verify(&tree).unwrap();
    fixture.reopened().verify(&tree).unwrap_err();
}

#[test]
fn a_damaged_tree_is_never_read_as_another() {
    let fixture = Fixture::new();
    let digest = fixture.tree(&[("a", "alpha")]).digest;
    let path = fixture.store.blob_path(&digest).with_extension("tree");
    let whole = fs::read(&path).unwrap();
    for index in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[index] ^= 1;
        overwrite(&path, &flipped);
        let error = fixture.store.tree(&digest).unwrap_err();
        assert!(
            matches!(error, Error::Tree { damaged: true, .. }),
            "{error}"
        );
        fs::write(&path, "").unwrap();
    }
    fs::remove_file(&path).unwrap();
    let error = fixture.store.tree(&digest).unwrap_err();
    assert!(
        matches!(error, Error::Tree { damaged: false, .. }),
        "{error}"
    );
}

#[test]
fn threads_may_ingest_the_same_content() {
    let fixture = Fixture::new();
    let files: Vec<(String, String)> = (0..20)
        .map(|n| (format!("f{n}"), "x".repeat(n * 1000)))
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    let stores = [fixture.reopened(), fixture.reopened()];
    let trees: Vec<Tree> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                scope.spawn({
                    let (store, files) = (&stores[n % 2], &files);
                    move || ingest(store, files)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(trees.iter().all(|tree| *tree == trees[0]));
    fixture.reopened().verify(&trees[0]).unwrap();
    assert!(names(&fixture.home().join("quarantine")).is_empty());
}

// Records.

#[test]
fn a_record_is_found_under_both_keys() {
    let fixture = Fixture::new();
    let record = record(&[("model", &fixture.tree(&[("a", "alpha")]))]);
    fixture.store.record(&record).unwrap();
    let store = fixture.reopened();
    assert_eq!(
        store.lookup(&record.action_key).unwrap().as_ref(),
        Some(&record)
    );
    assert_eq!(
        store.lookup(&record.content_key).unwrap().as_ref(),
        Some(&record)
    );
    assert_eq!(store.lookup(&key("other")).unwrap(), None);
}

#[test]
fn an_alias_is_found_under_its_own_key() {
    let fixture = Fixture::new();
    let record = record(&[("model", &fixture.tree(&[("a", "alpha")]))]);
    fixture.store.record(&record).unwrap();
    let alias = fixture
        .store
        .alias(&record, key("new"), &fingerprint(2))
        .unwrap();
    assert_eq!(alias.outputs, record.outputs);
    assert_eq!(fixture.store.lookup(&key("new")).unwrap(), Some(alias));
    assert_eq!(
        fixture.store.lookup(&record.action_key).unwrap(),
        Some(record.clone())
    );
    assert_eq!(
        fixture.store.lookup(&record.content_key).unwrap(),
        Some(record)
    );
}

#[test]
fn a_torn_or_edited_record_is_a_miss() {
    let fixture = Fixture::new();
    let record = record(&[("model", &fixture.tree(&[("a", "alpha")]))]);
    fixture.store.record(&record).unwrap();
    let path = fixture
        .home()
        .join("actions")
        .join(format!("{}.json", record.action_key));
    let whole = fs::read(&path).unwrap();

    let torn = (0..whole.len()).map(|length| whole[..length].to_vec());
    let flipped = (0..whole.len()).flat_map(|index| {
        [0x01, 0x20, 0x80].map(|bit| {
            let mut bytes = whole.clone();
            bytes[index] ^= bit;
            bytes
        })
    });
    let longer = [[whole.clone(), b"\n".to_vec()].concat()];
    for bytes in torn.chain(flipped).chain(longer) {
        fs::write(&path, &bytes).unwrap();
        assert_eq!(
            fixture.store.examine(&record.action_key).unwrap(),
            Lookup::Damaged
        );
    }
    assert_eq!(fixture.store.lookup(&record.action_key).unwrap(), None);
    assert!(!path.exists(), "a damaged record is set aside");
    fs::write(&path, whole).unwrap();
    assert_eq!(
        fixture.store.lookup(&record.action_key).unwrap(),
        Some(record)
    );
}

#[test]
fn a_record_under_a_foreign_key_is_a_miss() {
    let fixture = Fixture::new();
    let record = record(&[]);
    fixture.store.record(&record).unwrap();
    let actions = fixture.home().join("actions");
    fs::copy(
        actions.join(format!("{}.json", record.action_key)),
        actions.join(format!("{}.json", key("other"))),
    )
    .unwrap();
    assert_eq!(
        fixture.store.examine(&key("other")).unwrap(),
        Lookup::Damaged
    );
}

#[test]
fn a_record_without_its_outputs_is_a_miss() {
    type Damage = fn(blob: &Path, tree: &Path);
    let damages: [Damage; 4] = [
        |blob, _| fs::remove_file(blob).unwrap(),
        |blob, _| overwrite(blob, b"alph"),
        |_, tree| fs::remove_file(tree).unwrap(),
        |_, tree| overwrite(tree, b"{}"),
    ];
    for damage in damages {
        let fixture = Fixture::new();
        let tree = fixture.tree(&[("a", "alpha")]);
        let record = record(&[("model", &tree)]);
        fixture.store.record(&record).unwrap();
        damage(
            &fixture.store.blob_path(&tree.files["a"].digest),
            &fixture.store.blob_path(&tree.digest).with_extension("tree"),
        );
        assert_eq!(
            fixture.store.examine(&record.action_key).unwrap(),
            Lookup::OutputMissing {
                port: "model".into()
            }
        );
        assert_eq!(fixture.store.lookup(&record.action_key).unwrap(), None);
        assert_eq!(fixture.store.lookup(&record.content_key).unwrap(), None);
    }
}

// Memos.

#[test]
fn the_last_fingerprint_is_kept_per_pipeline_and_instance() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    store
        .set_last_fingerprint("p", "cnn[a/b,0.1]", &fingerprint(1))
        .unwrap();
    store
        .set_last_fingerprint("p", "..", &fingerprint(2))
        .unwrap();
    assert_eq!(
        store.last_fingerprint("p", "cnn[a/b,0.1]"),
        Some(fingerprint(1))
    );
    assert_eq!(store.last_fingerprint("p", ".."), Some(fingerprint(2)));
    assert_eq!(store.last_fingerprint("q", "cnn[a/b,0.1]"), None);
    assert_eq!(
        names(&fixture.home().join("last/p")),
        ["%2E..json", "cnn[a%2Fb,0.1].json"]
    );
}

#[test]
fn long_names_stay_apart() {
    let [a, b] = ["a", "b"].map(|end| files::component(&format!("{}{end}", "é".repeat(300))));
    assert_ne!(a, b);
    assert!(a.len() <= 200, "{}", a.len());
}

// The latest outputs.

#[test]
fn publishing_is_idempotent_and_replaces_the_whole_folder() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let [first, second] = [("a", "alpha"), ("sub/b", "beta")].map(|file| fixture.tree(&[file]));
    let folder = store.root().join("latest/p/cnn[m1]");
    let publish = |tree: &Tree| {
        store
            .publish_latest(
                "p",
                "cnn[m1]",
                &BTreeMap::from([("model".into(), tree.clone())]),
            )
            .unwrap();
        fs::metadata(&folder).unwrap().ino()
    };

    let inode = publish(&first);
    assert_eq!(fs::read_to_string(folder.join("model/a")).unwrap(), "alpha");
    assert_eq!(publish(&first), inode, "nothing to do");

    assert_ne!(publish(&second), inode);
    assert_eq!(names(&folder.join("model")), ["sub"]);
    assert_eq!(
        fs::read_to_string(folder.join("model/sub/b")).unwrap(),
        "beta"
    );

    fs::remove_file(folder.join("model/sub/b")).unwrap();
    publish(&second);
    assert_eq!(
        fs::read_to_string(folder.join("model/sub/b")).unwrap(),
        "beta"
    );
    assert_eq!(names(&store.root().join("latest/p")), ["cnn[m1]"]);
}

#[test]
fn what_is_published_is_linked_and_read_only() {
    let fixture = Fixture::new();
    let tree = fixture.tree(&[("a", "alpha")]);
    let outputs = BTreeMap::from([("model".into(), tree.clone())]);
    fixture.store.publish_latest("p", "cnn", &outputs).unwrap();
    let shown = fs::metadata(fixture.store.root().join("latest/p/cnn/model/a")).unwrap();
    let blob = fs::metadata(fixture.store.blob_path(&tree.files["a"].digest)).unwrap();
    assert_eq!(shown.ino(), blob.ino());
    assert_eq!(shown.mode() & 0o222, 0);
}

#[test]
fn a_reader_never_sees_half_of_what_is_published() {
    let fixture = Fixture::new();
    let trees = ["alpha", "beta"].map(|text| fixture.tree(&[("a", text), ("b", text)]));
    let folder = fixture.store.root().join("latest/p/cnn");
    let publish = |tree: &Tree| {
        let outputs = BTreeMap::from([("model".into(), tree.clone())]);
        fixture.store.publish_latest("p", "cnn", &outputs).unwrap();
    };
    publish(&trees[0]);
    thread::scope(|scope| {
        let writer = scope.spawn(|| (0..200).for_each(|n| publish(&trees[n % 2])));
        while !writer.is_finished() {
            let opened = rustix::fs::open(
                &folder,
                rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY,
                rustix::fs::Mode::empty(),
            );
            opened.expect("the folder is always there");
        }
        writer.join().unwrap();
    });
    assert_eq!(names(&folder), [".outputs.json", "model"]);
}

// Opening and sweeping.

#[test]
fn only_a_new_or_empty_root_is_told_to_git() {
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("a/b");
    Store::open(&new).unwrap();
    assert_eq!(fs::read_to_string(new.join(".gitignore")).unwrap(), "*\n");

    let used = folder.path().join("used");
    fill(&used, &[("README.md", "hello")]);
    Store::open(&used).unwrap();
    assert_eq!(names(&used), ["README.md", "v1"]);
}

#[test]
fn staging_is_removed_on_drop() {
    let fixture = Fixture::new();
    let tmp = fixture.home().join("tmp");
    let staging = fixture.store.staging().unwrap();
    fill(staging.path(), &[("sub/a", "alpha")]);
    let path = staging.path().to_owned();
    let other = fixture.store.staging().unwrap();
    assert_ne!(path, other.path());
    drop(staging);
    assert!(!path.exists() && other.path().exists());
    drop(other);
    drop(fixture.store);
    assert_eq!(names(&tmp), [".lock"]);
}

// Other processes.

/// What a child does: by `RUNNER_TEST_CHILD`, in the store `RUNNER_TEST_STORE`; says `ready` and
/// then holds what it has until it is killed or its standard input ends.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn child() {
    let Ok(role) = std::env::var("RUNNER_TEST_CHILD") else {
        return;
    };
    let store = Store::open(Path::new(&std::env::var_os("RUNNER_TEST_STORE").unwrap())).unwrap();
    let mut out = std::io::stdout();
    let mut say = |line: &str| {
        writeln!(out, "\n{line}")
            .and_then(|()| out.flush())
            .unwrap()
    };
    match role.as_str() {
        "lease" => {
            let _lease = store.lease(&key("action")).unwrap();
            say("ready");
            std::io::stdin().lines().for_each(drop);
        }
        "staging" => {
            let staging = store.staging().unwrap();
            fill(staging.path(), &[("sub/a", "alpha")]);
            say("ready");
            std::io::stdin().lines().for_each(drop);
        }
        "ingest" => {
            say("ready");
            std::io::stdin().lines().for_each(drop);
            for n in 0..50 {
                ingest(&store, &[("a", &format!("alpha {n}")), ("b", "beta")]);
            }
        }
        role => panic!("no such role: {role}"),
    }
}

/// Starts a child and waits until it is ready.
fn start(fixture: &Fixture, role: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::child", "--ignored", "--nocapture"])
        .env("RUNNER_TEST_CHILD", role)
        .env("RUNNER_TEST_STORE", fixture.store.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.as_mut().unwrap());
    assert!(
        out.lines().any(|line| line.unwrap() == "ready"),
        "the child did not start"
    );
    child
}

#[test]
fn a_lease_excludes_other_processes_and_vanishes_with_a_kill() {
    let fixture = Fixture::new();
    let mut child = start(&fixture, "lease");
    assert!(fixture.store.try_lease(&key("action")).unwrap().is_none());
    assert!(fixture.store.try_lease(&key("other")).unwrap().is_some());

    thread::scope(|scope| {
        let waiting = scope.spawn(|| fixture.store.lease(&key("action")).unwrap());
        thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        child.kill().unwrap();
        child.wait().unwrap();
        let lease = waiting.join().unwrap();
        assert!(fixture.store.try_lease(&key("action")).unwrap().is_none());
        drop(lease);
    });
    assert!(fixture.store.try_lease(&key("action")).unwrap().is_some());
    assert!(names(&fixture.home().join("leases")).is_empty());
}

#[test]
fn a_lease_is_held_by_one_thread_at_a_time() {
    let fixture = Fixture::new();
    let inside = std::sync::atomic::AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let _lease = fixture.store.lease(&key("action")).unwrap();
                    assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                    thread::yield_now();
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
    });
}

#[test]
fn staging_is_swept_after_a_kill_and_not_before() {
    let fixture = Fixture::new();
    let tmp = fixture.home().join("tmp");
    let mut child = start(&fixture, "staging");
    fixture.reopened();
    assert_eq!(names(&tmp).len(), 2, "the owner lives");
    child.kill().unwrap();
    child.wait().unwrap();
    fixture.reopened();
    assert_eq!(names(&tmp), [".lock"]);
}

#[test]
fn processes_may_ingest_the_same_content() {
    let fixture = Fixture::new();
    let mut children = [(); 2].map(|()| start(&fixture, "ingest"));
    for child in &mut children {
        drop(child.stdin.take());
    }
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    for n in 0..50 {
        let tree = fixture.tree(&[("a", &format!("alpha {n}")), ("b", "beta")]);
        fixture.reopened().verify(&tree).unwrap();
    }
    assert!(names(&fixture.home().join("quarantine")).is_empty());
    assert_eq!(
        names(&fixture.home().join("tmp")).len(),
        2,
        "nothing is left of the others"
    );
}
