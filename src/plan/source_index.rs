//! The index of a source: which file had which content, when it was last read, so that a second
//! plan only looks at the files' metadata.
//!
//! An entry is trusted while size, modification time, change time and inode are the same, and both
//! times are at least two seconds before the moment the index was made: a file that was changed
//! within the clock's resolution of our reading it keeps its times (git calls such an entry *racy*).

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use stages::contract::Invalid;

use super::source::FoundFile;
use crate::store::{Blob, Digest, Store};

/// Coarsest resolution of times to reckon with (FAT has two seconds), in nanoseconds.
const RESOLUTION: i128 = 2_000_000_000;

pub(super) struct SourceIndex {
    memo: PathBuf,
    old: Entries,
    new: Option<Entries>,
}

#[derive(Default, Serialize, Deserialize)]
struct Entries {
    /// When hashing began, nanoseconds since 1970.
    made: i128,
    files: HashMap<String, Entry>,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Entry {
    stamp: Stamp,
    digest: Digest,
}

/// What changes when a file does.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Stamp {
    bytes: u64,
    /// Nanoseconds since 1970, as `changed`.
    modified: i128,
    changed: i128,
    inode: u64,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let nanoseconds =
            |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            bytes: metadata.size(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }
}

impl SourceIndex {
    /// The index of the source at `path`, empty if there is none.
    pub(super) fn open(store: &Store, path: &Path) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let name = blake3::hash(absolute.as_os_str().as_encoded_bytes()).to_hex();
        let memo = Path::new("sources")
            .join("index")
            .join(format!("{}.json", &name[..32]));
        let old = store.memo(&memo).unwrap_or_default();
        Self {
            memo,
            old,
            new: None,
        }
    }

    /// The contents of `files`, in their order, and their stamps; reads only those that may have
    /// changed.
    pub(super) fn blobs(
        &mut self,
        files: &[FoundFile],
    ) -> Result<(Vec<Blob>, Vec<Stamp>), Invalid> {
        let made = now();
        let entries: Vec<Entry> = files
            .par_iter()
            .map(|file| {
                let stamp = Stamp::of(&file.metadata);
                self.old
                    .trusted(&file.name, &stamp)
                    .map_or_else(|| read(file), Ok)
            })
            .collect::<Result<_, _>>()?;

        let known = |(file, entry): (&FoundFile, &Entry)| {
            self.old.trusted(&file.name, &entry.stamp) == Some(*entry)
        };
        if files.len() != self.old.files.len() || !files.iter().zip(&entries).all(known) {
            let names = files.iter().map(|file| file.name.clone());
            let files = names.zip(entries.iter().copied()).collect();
            self.new = Some(Entries { made, files });
        }
        Ok(entries
            .iter()
            .map(|entry| {
                let blob = Blob {
                    digest: entry.digest,
                    bytes: entry.stamp.bytes,
                };
                (blob, entry.stamp)
            })
            .unzip())
    }

    /// Keeps what was learned. A plan is as good without it.
    pub(super) fn keep(self, store: &Store) {
        if let Some(new) = self.new
            && let Err(error) = store.set_memo(&self.memo, &new)
        {
            tracing::debug!(%error, "the index of a source was not kept");
        }
    }
}

impl Entries {
    fn trusted(&self, name: &str, stamp: &Stamp) -> Option<Entry> {
        let settled = stamp.modified.max(stamp.changed) < self.made.saturating_sub(RESOLUTION);
        self.files
            .get(name)
            .copied()
            .filter(|entry| settled && entry.stamp == *stamp)
    }
}

/// Reads a file. The stamp is the open file's own, from before reading: should the file change
/// meanwhile, its stamp will differ from this one.
fn read(file: &FoundFile) -> Result<Entry, Invalid> {
    let read = || -> io::Result<Entry> {
        let open = File::open(&file.path)?;
        let stamp = Stamp::of(&open.metadata()?);
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(&open)?;
        let stamp = Stamp {
            bytes: hasher.count(),
            ..stamp
        };
        Ok(Entry {
            stamp,
            digest: hasher.finalize().into(),
        })
    };
    read()
        .map_err(|error| Invalid::new(format!("failed to read `{}`: {error}", file.path.display())))
}

fn now() -> i128 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}
