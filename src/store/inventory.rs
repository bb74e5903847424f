//! Everything that is in the store, as its names and sizes tell.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rayon::prelude::*;

use super::{ActionRecord, Digest, Error, Key, Store, Tree};

/// A look at all of the store. What is found damaged or does not belong is only listed.
#[derive(Debug, Default)]
pub struct Inventory {
    pub records: Vec<FoundRecord>,
    /// Trees by digest; `None` where one cannot be read as what its name says.
    pub trees: BTreeMap<Digest, (Entry, Option<Tree>)>,
    pub blobs: BTreeMap<Digest, Entry>,
    /// A folder for each key.
    pub checkpoints: Vec<Entry>,
    /// Set aside because they were damaged.
    pub quarantine: Vec<Entry>,
    /// Files where only the store's own should be.
    pub foreign: Vec<Entry>,
}

/// A file, or a folder with all that is in it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub path: PathBuf,
    pub bytes: u64,
    /// When it, or the newest file in it, was last written.
    pub written: SystemTime,
}

/// A file of the action cache.
#[derive(Clone, Debug)]
pub struct FoundRecord {
    pub entry: Entry,
    /// The key it is kept under: its action key or its content key.
    pub key: Key,
    /// `None` where it is damaged.
    pub record: Option<ActionRecord>,
}

impl Store {
    /// Looks at everything. Reads records and trees, of blobs only names and sizes.
    pub fn inventory(&self) -> Result<Inventory, Error> {
        let mut inventory = Inventory::default();
        for entry in entries(&self.home.join("actions"))? {
            match key_of(&entry.path, "json") {
                Some(key) if entry.path.is_file() => {
                    let record = fs::read(&entry.path).ok();
                    let record = record.and_then(|bytes| ActionRecord::decode(&bytes, &key).ok());
                    inventory.records.push(FoundRecord { entry, key, record });
                }
                _ => inventory.foreign.push(entry),
            }
        }
        let shards = entries(&self.home.join("cas"))?;
        let in_shards: Vec<Vec<Entry>> = shards
            .par_iter()
            .map(|shard| match shard.path.is_dir() {
                true => entries(&shard.path),
                false => Ok(vec![shard.clone()]),
            })
            .collect::<Result<_, _>>()?;
        for entry in in_shards.into_iter().flatten() {
            let name = entry.path.file_name().unwrap_or_default().to_string_lossy();
            let (hex, is_tree) = match name.strip_suffix(".tree") {
                Some(hex) => (hex, true),
                None => (name.as_ref(), false),
            };
            let digest = hex.parse::<Digest>().ok().filter(|digest| {
                let home = if is_tree {
                    self.tree_path(digest)
                } else {
                    self.blob_path(digest)
                };
                home == entry.path && is_plain(&entry.path)
            });
            match digest {
                Some(digest) if is_tree => {
                    let tree = self.peek_tree(&digest).ok();
                    inventory.trees.insert(digest, (entry, tree));
                }
                Some(digest) => {
                    inventory.blobs.insert(digest, entry);
                }
                None => inventory.foreign.push(entry),
            }
        }
        for entry in entries(&self.home.join("checkpoints"))? {
            let key = entry.path.file_name().unwrap_or_default().to_str();
            if key.is_some_and(|key| key.parse::<Key>().is_ok()) && entry.path.is_dir() {
                inventory.checkpoints.push(entry);
            } else {
                inventory.foreign.push(entry);
            }
        }
        inventory.quarantine = entries(&self.home.join("quarantine"))?;
        Ok(inventory)
    }
}

impl Inventory {
    /// The blobs of the trees of a record that are there.
    pub fn blobs_of<'a>(&'a self, record: &'a ActionRecord) -> impl Iterator<Item = Digest> + 'a {
        let trees = record.outputs.values().filter_map(|digest| {
            let (_, tree) = self.trees.get(digest)?;
            tree.as_ref()
        });
        trees
            .flat_map(|tree| tree.files.values())
            .map(|blob| blob.digest)
    }
}

fn is_plain(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// The key in the name `<key>.<extension>`.
fn key_of(path: &Path, extension: &str) -> Option<Key> {
    if path.extension()? != extension {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok()
}

/// What is in a folder; nothing if it is not there.
pub fn entries(folder: &Path) -> Result<Vec<Entry>, Error> {
    let listed = match fs::read_dir(folder) {
        // A file of somebody else's, where a folder of the store's would be, has none either.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        other => other.map_err(Error::io("read", folder))?,
    };
    let mut entries = Vec::new();
    for entry in listed {
        let path = entry.map_err(Error::io("read", folder))?.path();
        // What is gone again was nothing to last.
        if let Some(entry) = measure(path) {
            entries.push(entry);
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// Size and age of a file, or of a folder with all in it; links are not followed.
fn measure(path: PathBuf) -> Option<Entry> {
    let metadata = fs::symlink_metadata(&path).ok()?;
    let mut entry = Entry {
        bytes: if metadata.is_dir() { 0 } else { metadata.len() },
        written: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        path,
    };
    if metadata.is_dir() {
        let children = fs::read_dir(&entry.path).into_iter().flatten().flatten();
        for child in children.filter_map(|child| measure(child.path())) {
            entry.bytes += child.bytes;
            entry.written = entry.written.max(child.written);
        }
    }
    Some(entry)
}
