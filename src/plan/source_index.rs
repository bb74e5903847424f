//! The index of a source: which file had which content, when it was last read, so that a second
//! plan only looks at the files' metadata.
//!
//! An entry is trusted while size, modification time, change time and inode are the same, and both
//! times are at least two seconds before the moment the index was made: a file that was changed
//! within the clock's resolution of our reading it keeps its times (git calls such an entry *racy*).

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use stages::contract::Invalid;

use crate::store::{Blob, Digest, Store, digest_open};

/// Coarsest resolution of times to reckon with (FAT has two seconds), in nanoseconds.
const RESOLUTION: i64 = 2_000_000_000;

/// Fewest files that a thread looks at in one go.
const BATCH: usize = 32;

/// What was known of a source's files.
#[derive(Serialize, Deserialize)]
pub(super) struct SourceIndex {
    /// When hashing began, nanoseconds since 1970.
    made: i64,
    /// Of the source, when it consisted of these files.
    source: Digest,
    /// Sorted by name.
    entries: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    content: Content,
}

/// A file's content, and its stamp from before that was read.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Content {
    pub stamp: Stamp,
    digest: Digest,
}

/// What changes when a file does.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Stamp {
    bytes: u64,
    /// Nanoseconds since 1970, as `changed`.
    modified: i64,
    changed: i64,
    inode: u64,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            bytes: metadata.size(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let parts = [
            self.bytes.to_le_bytes(),
            self.modified.to_le_bytes(),
            self.changed.to_le_bytes(),
            self.inode.to_le_bytes(),
        ];
        bytes.copy_from_slice(parts.as_flattened());
        bytes
    }
}

impl Content {
    pub(super) fn blob(&self) -> Blob {
        Blob {
            digest: self.digest,
            bytes: self.stamp.bytes,
        }
    }
}

impl SourceIndex {
    /// The index of the source at `path`, if there is one.
    pub(super) fn recall(store: &Store, path: &Path) -> Option<Self> {
        store.packed_memo(&memo_path(path))
    }

    /// The digest of the source, if it still consists of the files `names` and what is known of all of
    /// them holds.
    pub(super) fn source(&self, names: &[String], contents: &[Content]) -> Option<Digest> {
        let same = self.entries.len() == names.len()
            && self
                .entries
                .iter()
                .zip(names)
                .zip(contents)
                .all(|((entry, name), content)| {
                    entry.name == *name
                        && entry.content == *content
                        && self.is_settled(&content.stamp)
                });
        same.then_some(self.source)
    }

    /// Whether a file with this stamp was not written to for so long, when the index was made, that a
    /// later write must have changed its stamp.
    fn is_settled(&self, stamp: &Stamp) -> bool {
        stamp.modified.max(stamp.changed) < self.made.saturating_sub(RESOLUTION)
    }

    /// What is known of each of `names`, which are sorted.
    fn known(&self, names: &[String]) -> Vec<Option<&Content>> {
        let mut entries = self.entries.iter().peekable();
        let known = names.iter().map(|name| {
            while entries.next_if(|entry| entry.name < *name).is_some() {}
            let entry = entries.next_if(|entry| entry.name == *name)?;
            self.is_settled(&entry.content.stamp)
                .then_some(&entry.content)
        });
        known.collect()
    }
}

/// The contents of the files `names` (sorted) of the source at `path`, in their order; reads only those
/// that may have changed since `index` was made.
pub(super) fn contents(
    path: &Path,
    names: &[String],
    index: Option<&SourceIndex>,
) -> Result<Vec<Content>, Invalid> {
    let known = match index {
        Some(index) => index.known(names),
        None => vec![None; names.len()],
    };
    names
        .par_iter()
        .zip(known)
        .with_min_len(BATCH)
        .map(|(name, known)| {
            // An empty name added to a path would put a `/` behind it.
            let file = match name.as_str() {
                "" => path.to_owned(),
                name => path.join(name),
            };
            content(&file, known).map_err(|error| {
                Invalid::new(format!("failed to read `{}`: {error}", file.display()))
            })
        })
        .collect()
}

/// What a file holds: what is known of it, if its stamp is still the same.
fn content(path: &Path, known: Option<&Content>) -> io::Result<Content> {
    if let Some(known) = known
        && Stamp::of(&fs::metadata(path)?) == known.stamp
    {
        return Ok(*known);
    }
    // The stamp is the open file's own, from before reading: should the file change meanwhile, its
    // stamp will differ from this one.
    let file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let (digest, bytes) = digest_open(&file, stamp.bytes)?;
    Ok(Content {
        stamp: Stamp { bytes, ..stamp },
        digest,
    })
}

/// Keeps what was learned of a source, whose digest is `source`; hashing began at `made`. A plan is as
/// good without it.
pub(super) fn keep(
    store: &Store,
    path: &Path,
    made: i64,
    source: Digest,
    names: &[String],
    contents: &[Content],
) {
    let entries = names.iter().zip(contents).map(|(name, content)| Entry {
        name: name.clone(),
        content: *content,
    });
    let index = SourceIndex {
        made,
        source,
        entries: entries.collect(),
    };
    if let Err(error) = store.set_packed_memo(&memo_path(path), &index) {
        tracing::debug!(%error, "the index of a source was not kept");
    }
}

fn memo_path(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name = blake3::hash(absolute.as_os_str().as_encoded_bytes()).to_hex();
    Path::new("sources")
        .join("index")
        .join(format!("{}.packed", &name[..32]))
}

/// Nanoseconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000_000;

    /// A folder with the file `a`, and an index that says something else of its content, made
    /// `later` nanoseconds from now.
    fn fixture(later: i64) -> (tempfile::TempDir, SourceIndex) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "a").unwrap();
        let content = Content {
            stamp: Stamp::of(&fs::metadata(folder.path().join("a")).unwrap()),
            digest: blake3::hash(b"something else").into(),
        };
        let index = SourceIndex {
            made: now() + later,
            source: blake3::hash(b"source").into(),
            entries: vec![Entry {
                name: "a".into(),
                content,
            }],
        };
        (folder, index)
    }

    /// The content of the file, and what the index says of the source.
    fn seen(folder: &Path, index: &SourceIndex) -> (Digest, Option<Digest>) {
        let names = ["a".to_owned()];
        let contents = contents(folder, &names, Some(index)).unwrap();
        (contents[0].digest, index.source(&names, &contents))
    }

    #[test]
    fn what_is_known_is_not_read() {
        let (folder, index) = fixture(HOUR);
        let expected = (index.entries[0].content.digest, Some(index.source));
        assert_eq!(seen(folder.path(), &index), expected);
    }

    #[test]
    fn what_was_written_just_before_the_index_was_made_is_read() {
        let (folder, index) = fixture(0);
        let expected = (blake3::hash(b"a").into(), None);
        assert_eq!(seen(folder.path(), &index), expected);
    }

    #[test]
    fn what_was_written_after_the_index_was_made_is_read() {
        let (folder, mut index) = fixture(HOUR);
        index.made = now() - HOUR;
        let expected = (blake3::hash(b"a").into(), None);
        assert_eq!(seen(folder.path(), &index), expected);
    }

    #[test]
    fn every_part_of_the_stamp_counts() {
        let edits: [fn(&mut Stamp); 4] = [
            |stamp| stamp.bytes += 1,
            |stamp| stamp.modified -= 1,
            |stamp| stamp.changed -= 1,
            |stamp| stamp.inode += 1,
        ];
        for edit in edits {
            let (folder, mut index) = fixture(HOUR);
            edit(&mut index.entries[0].content.stamp);
            let expected = (blake3::hash(b"a").into(), None);
            assert_eq!(seen(folder.path(), &index), expected);
        }
    }

    #[test]
    fn a_source_with_a_file_more_or_less_or_renamed_is_another() {
        let (folder, index) = fixture(HOUR);
        let content = index.entries[0].content;
        let name = |name: &str| name.to_owned();
        assert_eq!(index.source(&[name("a")], &[content]), Some(index.source));
        assert_eq!(index.source(&[], &[]), None);
        assert_eq!(index.source(&[name("b")], &[content]), None);
        let two = [name("a"), name("b")];
        assert_eq!(index.source(&two, &[content; 2]), None);
        fs::rename(folder.path().join("a"), folder.path().join("b")).unwrap();
        let contents = contents(folder.path(), &two[1..], Some(&index)).unwrap();
        assert_eq!(contents[0].digest, blake3::hash(b"a").into());
    }
}
