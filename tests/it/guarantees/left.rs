//! What a run leaves, as far as it has to be the same every time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::sandbox::{Sandbox, list};

/// What foreign files are called that a test drops into the store.
pub const FOREIGN: &str = "foreign";

/// Names, each with a digest of what it names.
type Contents = BTreeMap<String, String>;

/// The lasting contents of a store. Not the records' times, and not the marks in `latest`, which tell
/// how it was made.
#[derive(Clone, Debug)]
pub struct Left {
    /// Blobs and trees.
    cas: Contents,
    /// The outputs of each record.
    actions: Contents,
    latest: Contents,
    /// The memos of what ran last.
    last: Contents,
}

impl Left {
    pub fn of(sandbox: &Sandbox) -> Self {
        let below = |folder: &str, digest: &dyn Fn(&Path) -> String| {
            let mut contents = Contents::new();
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

    /// The same, if every blob and tree were what its name says.
    pub fn as_named(&self) -> Self {
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

    /// This, and what else was among the blobs and the records `before`.
    pub fn and_kept(&self, before: &Self) -> Self {
        let both = |these: &Contents, those: &Contents| {
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

    /// The action keys of all that is done: recorded, and the outputs are there and right.
    pub fn done(&self, sandbox: &Sandbox) -> BTreeSet<String> {
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

    /// Where this is not as `other`; foreign files do not count.
    pub fn differences(&self, other: &Self) -> Vec<String> {
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

fn differences(folder: &str, these: &Contents, those: &Contents) -> Vec<String> {
    let missing = those.keys().filter(|name| !these.contains_key(*name));
    let missing = missing.map(|name| format!("{folder}/{name} is missing"));
    let unlike = these
        .iter()
        .filter_map(|(name, digest)| match those.get(name) {
            Some(other) if other == digest => None,
            Some(_) => Some(format!("{folder}/{name} is not what it should be")),
            None if name.contains(FOREIGN) => None,
            None => Some(format!("{folder}/{name} should not be there")),
        });
    missing.chain(unlike).collect()
}

fn collect(folder: &Path, prefix: &str, digest: &dyn Fn(&Path) -> String, found: &mut Contents) {
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

/// A tree's digest is in a domain of its own.
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

/// What an action record holds, if its checksum is right.
pub fn sound_record(file: &Path) -> Option<Value> {
    let bytes = fs::read(file).ok()?;
    let (checksum, rest) = bytes
        .strip_prefix(br#"{"checksum":""#)?
        .split_at_checked(64)?;
    let record = rest.strip_prefix(br#"","record":"#)?.strip_suffix(b"}\n")?;
    let is_sound = derived("runner record checksum v1", record).as_bytes() == checksum;
    is_sound.then(|| serde_json::from_slice(record).unwrap())
}
