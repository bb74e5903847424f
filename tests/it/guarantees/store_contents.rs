//! The contents of a store that must be the same after every run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::sandbox::{Sandbox, list};

/// Name of the foreign files that a test puts into the store.
pub(super) const FOREIGN: &str = "foreign";

/// File names, each with a digest of the file.
type Digests = BTreeMap<String, String>;

/// The contents of a store that do not depend on how they were made. Times in records and the files
/// `.outputs.json` in `latest` are left out.
#[derive(Clone, Debug)]
pub(super) struct StoreContents {
    /// Blobs and trees.
    cas: Digests,
    /// The outputs of each record.
    actions: Digests,
    latest: Digests,
    /// The memos of the last runs.
    last: Digests,
}

impl StoreContents {
    pub(super) fn of(sandbox: &Sandbox) -> Self {
        let below = |folder: &str, digest: &dyn Fn(&Path) -> String| {
            let mut contents = Digests::new();
            collect(
                &sandbox.path("artifacts").join(folder),
                "",
                digest,
                &mut contents,
            );
            contents
        };
        let mut latest = below("latest", &plain);
        latest.retain(|name, _| !name.ends_with("/.outputs.json"));
        Self {
            cas: below("v1/cas", &by_name),
            actions: below("v1/actions", &outputs),
            latest,
            last: below("v1/last", &plain),
        }
    }

    /// Returns a copy in which every blob and tree has the digest that is its name.
    pub(super) fn as_named(&self) -> Self {
        let digest = |name: &String| {
            let file = name.rsplit('/').next().unwrap_or(name);
            file.trim_end_matches(".tree").to_owned()
        };
        Self {
            cas: self
                .cas
                .keys()
                .map(|name| (name.clone(), digest(name)))
                .collect(),
            actions: self.actions.clone(),
            latest: self.latest.clone(),
            last: self.last.clone(),
        }
    }

    /// Returns a copy to which the blobs, trees and records of `before` are added.
    pub(super) fn with_kept_from(&self, before: &Self) -> Self {
        let both = |these: &Digests, those: &Digests| {
            let all = those.iter().chain(these);
            all.map(|(name, digest)| (name.clone(), digest.clone()))
                .collect()
        };
        Self {
            cas: both(&self.cas, &before.cas),
            actions: both(&self.actions, &before.actions),
            latest: self.latest.clone(),
            last: self.last.clone(),
        }
    }

    /// Returns the action keys of finished stages: those with a sound record and complete, intact outputs.
    pub(super) fn finished(&self, sandbox: &Sandbox) -> BTreeSet<String> {
        let is_right = |name: &str| {
            let place = format!("{}/{name}", &name[..2]);
            let digest = name.trim_end_matches(".tree");
            self.cas.get(&place).is_some_and(|there| there == digest)
        };
        let is_whole = |tree: &Value| {
            let name = format!("{}.tree", text(tree));
            let path = sandbox
                .path("artifacts/v1/cas")
                .join(&name[..2])
                .join(&name);
            is_right(&name) && {
                let files: BTreeMap<String, Value> =
                    serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
                files.values().all(|blob| is_right(&text(&blob["digest"])))
            }
        };
        list(&sandbox.path("artifacts/v1/actions"))
            .iter()
            .filter_map(|file| sound_record(file))
            .filter(|record| {
                record["outputs"]
                    .as_object()
                    .unwrap()
                    .values()
                    .all(is_whole)
            })
            .map(|record| text(&record["action_key"]))
            .collect()
    }

    /// Describes the differences from `other`, except for foreign files.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        [
            differences("cas", &self.cas, &other.cas),
            differences("actions", &self.actions, &other.actions),
            differences("latest", &self.latest, &other.latest),
            differences("last", &self.last, &other.last),
        ]
        .concat()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn differences(folder: &str, these: &Digests, those: &Digests) -> Vec<String> {
    let missing = those.keys().filter(|name| !these.contains_key(*name));
    let missing = missing.map(|name| format!("{folder}/{name} is missing"));
    let unlike = these
        .iter()
        .filter_map(|(name, digest)| match those.get(name) {
            Some(other) if other == digest => None,
            Some(_) => Some(format!("{folder}/{name} has the wrong content")),
            None if name.contains(FOREIGN) => None,
            None => Some(format!("{folder}/{name} should not be there")),
        });
    missing.chain(unlike).collect()
}

fn collect(folder: &Path, prefix: &str, digest: &dyn Fn(&Path) -> String, found: &mut Digests) {
    for path in list(folder) {
        let name = format!("{prefix}{}", path.file_name().unwrap().display());
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            collect(&path, &format!("{name}/"), digest, found);
        } else if metadata.is_file() {
            found.insert(name, digest(&path));
        } else {
            found.insert(name, "not a file".to_owned());
        }
    }
}

fn plain(file: &Path) -> String {
    blake3::hash(&fs::read(file).unwrap()).to_string()
}

/// Digests a blob or a tree. Trees are hashed in a domain of their own.
fn by_name(file: &Path) -> String {
    if file
        .extension()
        .is_some_and(|extension| extension == "tree")
    {
        derived("runner artifact tree v1", &fs::read(file).unwrap())
    } else {
        plain(file)
    }
}

fn outputs(record: &Path) -> String {
    sound_record(record).map_or("no record".to_owned(), |record| {
        record["outputs"].to_string()
    })
}

fn derived(context: &str, bytes: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(bytes).finalize().to_string()
}

/// Decodes an action record. Returns `None` if its checksum is wrong.
pub(super) fn sound_record(file: &Path) -> Option<Value> {
    let bytes = fs::read(file).ok()?;
    let (checksum, rest) = bytes
        .strip_prefix(br#"{"checksum":""#)?
        .split_at_checked(64)?;
    let record = rest.strip_prefix(br#"","record":"#)?.strip_suffix(b"}\n")?;
    let is_sound = derived("runner record checksum v1", record).as_bytes() == checksum;
    is_sound.then(|| serde_json::from_slice(record).unwrap())
}
