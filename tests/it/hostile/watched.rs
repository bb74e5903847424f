//! The tree that no runner may change.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::Program;
use crate::sandbox::list;

/// What files of the tree hold: nothing that is not the program's own doing takes it anywhere.
pub const SECRET: &str = "precious";

/// What programs write to the file `given`, as in `tests/hostile/place.rs`.
const WRITTEN: &[u8] = b"written by the program\n";

/// Makes the tree `watched` in the folder of a case. Files are called as what stages read and make.
pub fn make(root: &Path) {
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
    // A secret, too, but one that is good for metrics.
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

/// All that can be told of a file without reading what it holds.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    device: u64,
    inode: u64,
    mode: u32,
    owner: (u32, u32),
    names: u64,
    bytes: u64,
    /// Of the content and of the rest, in seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
    /// Of a link, where it leads.
    content: Vec<u8>,
}

/// Everything in the folder of a case but the store and what belongs to the programs.
pub struct Watched(BTreeMap<String, Entry>);

impl Watched {
    pub fn record(root: &Path) -> Self {
        let mut entries = BTreeMap::new();
        for path in list(root) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name != "artifacts" && name != "elsewhere" {
                record(&path, name, &mut entries);
            }
        }
        Self(entries)
    }

    /// Where this is not as `before`, apart from what `program` does itself.
    pub fn differences(mut self, before: &Self, program: &Program) -> Vec<String> {
        let mut before = before.0.clone();
        let given = "watched/given";
        if program.writes_given
            && let Some(entry) = self.0.remove(given)
            && let Some(original) = before.get(given).cloned()
        {
            let mut expected = original;
            expected.content = WRITTEN.to_owned();
            expected.bytes = WRITTEN.len() as u64;
            expected.modified = entry.modified;
            expected.changed = entry.changed;
            before.insert(given.to_owned(), expected);
            self.0.insert(given.to_owned(), entry);
        }
        if program.links_watched {
            for entries in [&mut self.0, &mut before] {
                if let Some(entry) = entries.get_mut("watched/result") {
                    entry.names = 0;
                    entry.changed = (0, 0);
                }
            }
        }
        let gone = before.keys().filter(|name| !self.0.contains_key(*name));
        let gone = gone.map(|name| format!("`{name}` is gone"));
        let others = self
            .0
            .iter()
            .filter_map(|(name, entry)| match before.get(name) {
                None => Some(format!("`{name}` should not be there")),
                Some(original) if original != entry => {
                    Some(format!("`{name}` changed: {original:?} became {entry:?}"))
                }
                Some(_) => None,
            });
        gone.chain(others).collect()
    }
}

fn record(path: &Path, name: String, entries: &mut BTreeMap<String, Entry>) {
    let found = fs::symlink_metadata(path).unwrap();
    let content = if found.is_symlink() {
        fs::read_link(path)
            .unwrap()
            .into_os_string()
            .into_encoded_bytes()
    } else if found.is_file() {
        fs::read(path).unwrap()
    } else {
        Vec::new()
    };
    if found.is_dir() {
        for path in list(path) {
            let below = path.file_name().unwrap().to_string_lossy();
            record(&path, format!("{name}/{below}"), entries);
        }
    }
    let entry = Entry {
        device: found.dev(),
        inode: found.ino(),
        mode: found.mode(),
        owner: (found.uid(), found.gid()),
        names: found.nlink(),
        bytes: found.len(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
        content,
    };
    entries.insert(name, entry);
}
