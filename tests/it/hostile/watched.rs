//! The tree that no runner may change.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::Program;
use crate::sandbox::list;

/// Part of every file in the tree. The runner must never print it or take it into the store.
pub(super) const SECRET: &str = "precious";

/// The text that programs write to the file `given`, as in `tests/hostile/place.rs`.
const WRITTEN: &str = "written by the program\n";

/// Creates the tree `watched` in the folder of a case. Its files have the names of inputs and outputs,
/// so that a runner that follows a link to the tree finds what it looks for.
pub(super) fn make(root: &Path) {
    let watched = root.join("watched");
    for folder in ["made/sub", "below", "empty"] {
        fs::create_dir_all(watched.join(folder)).unwrap();
    }
    for file in [
        "given",
        "result",
        "nested",
        "small",
        "large",
        "made/a",
        "made/sub/b",
        "below/nested",
        "b",
        "read-only",
    ] {
        fs::write(watched.join(file), format!("{SECRET} {file}\n")).unwrap();
    }
    // Valid metrics, so that reading them succeeds.
    let metrics = format!("{{\"{SECRET}\": 1}}");
    fs::write(watched.join("metrics.json"), metrics).unwrap();
    symlink("result", watched.join("link")).unwrap();
    symlink("made", watched.join("link-to-folder")).unwrap();
    symlink("nowhere", watched.join("dangling")).unwrap();
    let mode = |name: &str, mode| {
        fs::set_permissions(watched.join(name), Permissions::from_mode(mode)).unwrap();
    };
    mode("read-only", 0o400);
    mode("below", 0o711);
}

/// The properties of a file, by name.
type Entry = BTreeMap<&'static str, String>;

/// Everything in the folder of a case, except for the store and the programs' own folder.
pub(super) struct Watched(BTreeMap<String, Entry>);

impl Watched {
    pub(super) fn record(root: &Path) -> Self {
        let mut entries = BTreeMap::new();
        for path in list(root) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name != "artifacts" && name != "elsewhere" {
                record(&path, name, &mut entries);
            }
        }
        Self(entries)
    }

    /// Describes every difference from `before`, except for what `program` itself changes.
    pub(super) fn differences(&self, before: &Self, program: &Program) -> Vec<String> {
        let gone = before.0.keys().filter(|name| !self.0.contains_key(*name));
        let gone = gone.map(|name| format!("`{name}` is gone"));
        let others = self
            .0
            .iter()
            .filter_map(|(name, entry)| match before.0.get(name) {
                None => Some(format!("`{name}` is new")),
                Some(original) => {
                    let original = expected(name, original, program);
                    let unlike = entry.iter().filter(|&(property, value)| {
                        original
                            .get(property)
                            .is_some_and(|original| original != value)
                    });
                    let unlike: Vec<String> = unlike
                        .map(|(property, value)| format!("{property} is {value}"))
                        .collect();
                    (!unlike.is_empty()).then(|| format!("`{name}` changed: {}", unlike.join(", ")))
                }
            });
        gone.chain(others).collect()
    }
}

/// Returns the properties that a file must have after `program` ran.
fn expected(name: &str, original: &Entry, program: &Program) -> Entry {
    let mut expected = original.clone();
    if program.writes_given && name == "watched/given" {
        expected.insert("content", format!("{WRITTEN:?}"));
        for property in ["bytes", "mtime", "ctime"] {
            expected.remove(property);
        }
    }
    if program.links_watched && name == "watched/result" {
        for property in ["names", "ctime"] {
            expected.remove(property);
        }
    }
    expected
}

fn record(path: &Path, name: String, entries: &mut BTreeMap<String, Entry>) {
    let found = fs::symlink_metadata(path).unwrap();
    let content = if found.is_symlink() {
        format!("a link to {}", fs::read_link(path).unwrap().display())
    } else if found.is_file() {
        format!("{:?}", String::from_utf8_lossy(&fs::read(path).unwrap()))
    } else {
        "none".to_owned()
    };
    if found.is_dir() {
        for path in list(path) {
            let below = path.file_name().unwrap().to_string_lossy();
            record(&path, format!("{name}/{below}"), entries);
        }
    }
    let entry = Entry::from([
        ("device", found.dev().to_string()),
        ("inode", found.ino().to_string()),
        ("mode", format!("{:o}", found.mode())),
        ("owner", format!("{}:{}", found.uid(), found.gid())),
        ("names", found.nlink().to_string()),
        ("bytes", found.len().to_string()),
        (
            "mtime",
            format!("{}.{:09}", found.mtime(), found.mtime_nsec()),
        ),
        (
            "ctime",
            format!("{}.{:09}", found.ctime(), found.ctime_nsec()),
        ),
        ("content", content),
    ]);
    entries.insert(name, entry);
}
