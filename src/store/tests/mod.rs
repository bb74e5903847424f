//! The properties that a store guarantees.

mod blobs;
mod latest;
mod links;
mod processes;
mod properties;
mod records;
mod remote;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use contract::Device;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::keys::{Fingerprint, Key};

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

    /// Opens the store again, like a later process.
    fn reopened(&self) -> Store {
        Store::open(self.store.root()).unwrap()
    }

    /// Ingests files with these names and contents.
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
    store
        .ingest(staging.folder(), Path::new(""), &Deadline::NONE)
        .unwrap()
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
        warnings: Vec::new(),
        resumed: None,
        finished: "2025-11-23T08:00:00Z".into(),
        runner: "0.1.0".into(),
        inputs: InputsCheck::Sure,
    }
}

fn fingerprint(seed: u64) -> Fingerprint {
    Fingerprint {
        format: 1,
        kind: "train-cnn".into(),
        version: 3,
        params: json!({"epochs": 6, "rate": 0.001}),
        seed,
        device: Device::Cpu,
        processor: None,
        tools: BTreeMap::new(),
        inputs: BTreeMap::new(),
        index: BTreeMap::new(),
    }
}

fn overwrite(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Returns the names in a folder, sorted. Empty if the folder does not exist.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
