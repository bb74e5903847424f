//! The fingerprints of the stages that a run means to execute, in its folder.
//!
//! The record of a result contains its fingerprint. A stage that failed, was cancelled or never started has no record,
//! and the pipeline file may have changed since. With this file, a page can still show the parameters of such a stage.
//! Nothing else reads it.

use std::collections::{HashMap, HashSet};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use contract::files;
use store::keys::{Fingerprint, Key};
use store::{Found, read_file};

use crate::plan::{PlannedAction, action_key};

/// Name of the file with fingerprints, one per line.
pub const FINGERPRINTS_FILE: &str = "fingerprints.jsonl";

/// Adds the fingerprints of actions to the file in a run's folder.
pub(super) fn append<'a>(
    folder: &Path,
    actions: impl Iterator<Item = &'a PlannedAction>,
) -> io::Result<()> {
    let mut lines = Vec::new();
    for action in actions {
        serde_json::to_writer(&mut lines, &action.fingerprint)?;
        lines.push(b'\n');
    }
    if lines.is_empty() {
        return Ok(());
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    files::open_with(&folder.join(FINGERPRINTS_FILE), &mut options)?.write_all(&lines)
}

/// Reads the fingerprints of the actions with these keys. Fingerprints that are missing or damaged are left out; so is
/// everything if the file cannot be read.
pub fn read(folder: &Path, keys: &HashSet<Key>) -> HashMap<Key, Fingerprint> {
    let mut found = HashMap::new();
    if keys.is_empty() {
        return found;
    }
    let Ok(Found::Bytes(bytes)) = read_file(&folder.join(FINGERPRINTS_FILE)) else {
        return found;
    };
    for line in bytes.split(|&byte| byte == b'\n') {
        let Ok(fingerprint) = serde_json::from_slice::<Fingerprint>(line) else {
            continue;
        };
        // A key is the hash of a fingerprint, so this also finds out that a line was changed.
        let key = action_key(&fingerprint);
        if keys.contains(&key) {
            found.insert(key, fingerprint);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn damaged_lines_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let fingerprint = |seed: u64| -> Fingerprint {
            serde_json::from_value(serde_json::json!({
                "format": 1, "kind": "command", "version": 1, "params": { "argv": ["true"] }, "seed": seed,
                "device": "cpu", "inputs": {},
            }))
            .unwrap()
        };
        let [first, second, third] = [1, 2, 3].map(fingerprint);
        let line = |fingerprint: &Fingerprint| serde_json::to_string(fingerprint).unwrap();
        let changed = line(&second).replace("\"true\"", "\"false\"");
        let text = [line(&first), changed, "{\"cut".to_owned(), line(&third)].join("\n");
        fs::write(folder.path().join(FINGERPRINTS_FILE), text).unwrap();
        let keys: HashSet<Key> = [&first, &second].map(action_key).into();
        let found = read(folder.path(), &keys);
        assert_eq!(found, HashMap::from([(action_key(&first), first)]));
    }
}
