//! Lists everything in the store by name and size ([`Inventory`]).
//!
//! A damaged file and one that the system refuses to read are told apart: only the damaged
//! one is known to be useless.

use std::collections::BTreeMap;
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rayon::prelude::*;

use super::files::{self, Found, is_absence};
use super::{ActionRecord, Error, Store, Tree};
use crate::keys::{Digest, Key};

/// The contents of the whole store. Damaged and foreign entries are listed like the others.
#[derive(Debug, Default)]
pub struct Inventory {
    pub records: Vec<FoundRecord>,
    /// Trees by digest.
    pub trees: BTreeMap<Digest, (Entry, Reading<Tree>)>,
    pub blobs: BTreeMap<Digest, Entry>,
    /// Checkpoint folders, one for each key.
    pub checkpoints: Vec<Entry>,
    /// Entries that were set aside as damaged or foreign.
    pub quarantine: Vec<Entry>,
    /// Entries that do not belong where they are.
    pub foreign: Vec<Entry>,
}

/// A file, or a folder with everything in it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub path: PathBuf,
    /// Type of the entry itself; links are not followed.
    pub kind: FileType,
    pub bytes: u64,
    /// Time of the last write to it, or to the newest file in it.
    pub written: SystemTime,
    /// A folder in it that could not be read. The size and age of the entry are then incomplete.
    pub unread: Option<Unread>,
}

/// Something that the system refuses to read, so that its content is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    pub path: PathBuf,
    /// A fragment that follows the path: `cannot be read: Permission denied`.
    pub why: String,
}

impl Unread {
    pub(super) fn new(path: &Path, error: &io::Error) -> Self {
        Self {
            path: path.to_owned(),
            why: format!("cannot be read: {error}"),
        }
    }
}

/// Result of reading a file of the store.
#[derive(Clone, Debug)]
pub enum Reading<T> {
    Sound(T),
    /// It is not as it was written.
    Damaged,
    /// The system refused to read it; it may be sound.
    Refused(Unread),
}

impl<T> Reading<T> {
    pub fn sound(&self) -> Option<&T> {
        match self {
            Self::Sound(read) => Some(read),
            Self::Damaged | Self::Refused(_) => None,
        }
    }

    pub fn refused(&self) -> Option<&Unread> {
        match self {
            Self::Refused(unread) => Some(unread),
            Self::Sound(_) | Self::Damaged => None,
        }
    }
}

/// A file in the action cache.
#[derive(Clone, Debug)]
pub struct FoundRecord {
    pub entry: Entry,
    /// The key that names the file: an action key or a content key.
    pub key: Key,
    pub record: Reading<ActionRecord>,
    /// `true` if it comes from a shared cache, so that its outputs may be missing.
    pub is_remote: bool,
}

impl Store {
    /// Lists everything. Reads records and trees; of blobs it takes only names and sizes.
    pub fn inventory(&self) -> Result<Inventory, Error> {
        let mut inventory = Inventory::default();
        for (folder, is_remote) in [("actions", false), ("remote", true)] {
            for entry in entries(&self.home.join(folder))? {
                match key_of(&entry.path, "json") {
                    Some(key) if entry.kind.is_file() => {
                        let record = read_record(&entry.path, &key);
                        inventory.records.push(FoundRecord {
                            entry,
                            key,
                            record,
                            is_remote,
                        });
                    }
                    _ => inventory.foreign.push(entry),
                }
            }
        }
        let shards = entries(&self.home.join("cas"))?;
        let in_shards: Vec<Vec<Entry>> = shards
            .par_iter()
            // A link to a folder does not count as a folder: nothing is read or removed behind it.
            .map(|shard| match shard.kind.is_dir() {
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
                home == entry.path
            });
            match digest {
                _ if !entry.kind.is_file() => inventory.foreign.push(entry),
                Some(digest) if is_tree => {
                    let tree = match self.peek_tree(&digest) {
                        Ok(tree) => Reading::Sound(tree),
                        Err(Error::Io { source, .. }) => {
                            Reading::Refused(Unread::new(&entry.path, &source))
                        }
                        Err(_) => Reading::Damaged,
                    };
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
            if key.is_some_and(|key| key.parse::<Key>().is_ok()) && entry.kind.is_dir() {
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
    /// Returns the blobs of those trees of a record that are in the store.
    pub fn blobs_of<'a>(&'a self, record: &'a ActionRecord) -> impl Iterator<Item = Digest> + 'a {
        let trees = record.outputs.values().filter_map(|digest| {
            let (_, tree) = self.trees.get(digest)?;
            tree.sound()
        });
        trees
            .flat_map(|tree| tree.files.values())
            .map(|blob| blob.digest)
    }

    /// Returns the entries that cannot be read, and so may name others or be newer than they seem.
    pub(super) fn unread(&self) -> impl Iterator<Item = &Unread> {
        let records = self
            .records
            .iter()
            .filter_map(|found| found.record.refused());
        let trees = self.trees.values().filter_map(|(_, tree)| tree.refused());
        let checkpoints = self.checkpoints.iter().filter_map(|e| e.unread.as_ref());
        records.chain(trees).chain(checkpoints)
    }
}

/// Reads the record in the file named after `key`.
pub(super) fn read_record(path: &Path, key: &Key) -> Reading<ActionRecord> {
    match files::read(path) {
        Ok(Found::Bytes(bytes)) => {
            ActionRecord::decode(&bytes, key).map_or(Reading::Damaged, Reading::Sound)
        }
        Ok(Found::Missing | Found::Foreign) => Reading::Damaged,
        Err(error) => Reading::Refused(Unread::new(path, &error)),
    }
}

/// Returns the key in a file name `<key>.<extension>`.
fn key_of(path: &Path, extension: &str) -> Option<Key> {
    if path.extension()? != extension {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok()
}

/// Returns the entries of a folder, sorted by path. A missing folder has none.
pub(super) fn entries(folder: &Path) -> Result<Vec<Entry>, Error> {
    let listed = match fs::read_dir(folder) {
        // A foreign file in place of the folder has no entries either.
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        other => other.map_err(Error::io("read", folder))?,
    };
    let mut entries = Vec::new();
    for entry in listed {
        let path = entry.map_err(Error::io("read", folder))?.path();
        match measure(path.clone()) {
            Ok(entry) => entries.push(entry),
            // Removed since the folder was listed.
            Err(error) if is_absence(&error) => {}
            Err(error) => return Err(Error::io("access", &path)(error)),
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// Measures the size and age of a file, or of a folder with everything in it. Links are not followed.
fn measure(path: PathBuf) -> io::Result<Entry> {
    let metadata = fs::symlink_metadata(&path)?;
    let mut entry = Entry {
        bytes: if metadata.is_dir() { 0 } else { metadata.len() },
        kind: metadata.file_type(),
        written: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        unread: None,
        path,
    };
    if metadata.is_dir()
        && let Err(error) = add_children(&mut entry)
        && !is_absence(&error)
    {
        entry.unread = Some(Unread::new(&entry.path, &error));
    }
    Ok(entry)
}

/// Adds the size and age of a folder's content to its entry.
fn add_children(entry: &mut Entry) -> io::Result<()> {
    for child in fs::read_dir(&entry.path)? {
        let child = match measure(child?.path()) {
            Err(error) if is_absence(&error) => continue,
            child => child?,
        };
        entry.bytes += child.bytes;
        entry.written = entry.written.max(child.written);
        entry.unread = entry.unread.take().or(child.unread);
    }
    Ok(())
}
