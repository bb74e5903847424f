//! The properties that a remote guarantees: on a shared folder, on a plain HTTP server and, if `RUNNER_TEST_S3` names a
//! folder in which `tests/cluster/s3-start` was run, on a real S3 server.

mod collecting;
mod faults;
mod folder;
mod places;
mod plain_server;
mod proxy;
mod scale;
mod sharing;
mod signing;
mod speed;
mod tls;
mod uploading;
mod warnings;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::files;
use serde_json::json;
use store::keys::{Digest, Key};
use store::{ActionRecord, Deadline, Results, Store, Tree};
use tempfile::TempDir;

use crate::{Address, Limits, Mode, Remote, Settings, Source};

pub(super) use places::{Place, every_place};

/// A machine: a local store, and a memory of remotes.
pub(super) struct Machine {
    folder: TempDir,
    pub(super) store: Store,
}

impl Machine {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("artifacts")).unwrap();
        Self { folder, store }
    }

    pub(super) fn memory(&self) -> PathBuf {
        self.folder.path().join("memory")
    }

    /// Records an action with one output of these files, and returns the name under its action key.
    pub(super) fn record(&self, name: &str, files: &[(&str, &[u8])]) -> Key {
        let staging = self.store.staging().unwrap();
        for (name, content) in files {
            fs::write(staging.path().join(name), content).unwrap();
        }
        let tree = self
            .store
            .ingest(staging.folder(), Path::new(""), &Deadline::NONE)
            .unwrap();
        let record = action_record(name, &[&tree]);
        let results: &dyn Results = &self.store;
        results.put(&[&record]).unwrap();
        named(name)
    }

    pub(super) fn source(&self) -> LocalStore {
        LocalStore(self.store.root().join("v1"))
    }

    /// Opens a remote with short limits.
    pub(super) fn remote(&self, place: &Place) -> Remote {
        self.remote_with(place, |_| {})
    }

    /// Opens a remote with the usual limits. A busy machine takes longer than the short ones.
    pub(super) fn patient_remote(&self, place: &Place) -> Remote {
        self.remote_with(place, |settings| settings.limits = Limits::default())
    }

    pub(super) fn remote_with(&self, place: &Place, set: impl FnOnce(&mut Settings)) -> Remote {
        let mut settings = Settings::new(place.address.clone(), Mode::ReadWrite, self.memory());
        settings.limits = short_limits();
        set(&mut settings);
        Remote::open_with(settings, &place.variables()).unwrap()
    }

    /// Returns the content of the file `name` of a blob in this machine's store.
    fn local(&self, digest: &Digest) -> PathBuf {
        blob_path(&self.store.root().join("v1"), digest)
    }
}

pub(super) fn short_limits() -> Limits {
    Limits {
        connect: Duration::from_millis(500),
        answer: Duration::from_millis(500),
        lookups: Duration::from_secs(30),
        each_lookup: Duration::from_millis(10),
        stall: Duration::from_millis(500),
        attempts: 4,
        pause: Duration::from_millis(2),
        longest_pause: Duration::from_millis(200),
        failures: 8,
        requests: 16,
    }
}

/// Kind of processor of all records.
pub(super) const PROCESSOR: &str = "x86-avx512";

pub(super) fn named(name: &str) -> Key {
    Key::derive("test", name.as_bytes())
}

pub(super) fn action_record(name: &str, outputs: &[&Tree]) -> ActionRecord {
    let outputs: BTreeMap<_, _> = outputs
        .iter()
        .enumerate()
        .map(|(index, tree)| (format!("out{index}"), tree.digest))
        .collect();
    let value = json!({
        "action_key": named(name),
        "content_key": Key::derive("content", name.as_bytes()),
        "fingerprint": {
            "format": 1, "kind": "train-cnn", "version": 3, "params": {"name": name}, "seed": 1, "device": "cpu",
            "processor": PROCESSOR, "inputs": {},
        },
        "outputs": outputs,
        "seconds": 1.5,
        "cpu_seconds": 2.25,
        "peak_memory_mib": 64.0,
        "notes": ["best epoch 7"],
        "finished": "2026-11-23T08:00:00Z",
        "runner": "0.1.0",
    });
    serde_json::from_value(value).unwrap()
}

/// Reads a local store's files.
pub(super) struct LocalStore(PathBuf);

fn blob_path(home: &Path, digest: &Digest) -> PathBuf {
    let hex = digest.to_string();
    home.join("cas").join(&hex[..2]).join(hex)
}

fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if files::is_absence(&error) => Ok(None),
        result => result.map(Some),
    }
}

impl Source for LocalStore {
    fn record(&self, name: &Key) -> io::Result<Option<Vec<u8>>> {
        present(fs::read(self.0.join(format!("actions/{name}.json"))))
    }

    fn tree(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        present(fs::read(blob_path(&self.0, digest).with_extension("tree")))
    }

    fn blob(&self, digest: &Digest) -> io::Result<Option<File>> {
        present(File::open(blob_path(&self.0, digest)))
    }
}

/// Fetches the outputs of a record. The content of each file, by name; `None` if anything is missing. Panics if
/// anything is wrong.
pub(super) fn fetched(remote: &Remote, name: &Key) -> Option<BTreeMap<String, Vec<u8>>> {
    let record = remote.look_up(std::slice::from_ref(name)).remove(0)?;
    let record = ActionRecord::decode(&record, name).expect("a record that is returned is sound");
    let mut contents = BTreeMap::new();
    let digests: Vec<_> = record.outputs.values().copied().collect();
    for (digest, bytes) in digests.iter().zip(remote.trees(&digests)) {
        let bytes = bytes?;
        let tree = Tree::decode(digest, &bytes).expect("a tree that is returned is sound");
        for (name, blob) in &tree.files {
            let file = tempfile::tempfile().unwrap();
            if !remote.fetch(blob, &file).ok()? {
                return None;
            }
            let bytes = files::read_open(&file, blob.bytes + 1).unwrap();
            assert_eq!(
                (Digest::from(blake3::hash(&bytes)), bytes.len() as u64),
                (blob.digest, blob.bytes),
                "a blob that is returned is right"
            );
            contents.insert(name.clone(), bytes);
        }
    }
    Some(contents)
}

/// Random-looking bytes that depend on `seed` only.
pub(super) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// Returns `full` with `RUNNER_SUITE=full`, and `few` otherwise.
pub(super) fn cases(few: usize, full: usize) -> usize {
    let is_full = std::env::var("RUNNER_SUITE").is_ok_and(|suite| suite == "full");
    if is_full { full } else { few }
}

#[expect(clippy::print_stdout, reason = "shows what a test measured or skipped")]
pub(super) fn say(text: &str) {
    println!("{text}");
}

pub(super) fn address(text: &str) -> Address {
    text.parse().unwrap()
}
