//! The index of a source: the stamp and the digest of each file when it was last read, so that the next plan only
//! has to read the files' metadata.
//!
//! An entry is trusted while size, modification time, change time, inode and device are the same, and both
//! times are at least two seconds older than the index: a file that changes within the clock's resolution
//! after it was read keeps its times (git calls such an entry *racy*). A file that a process had open for
//! writing when it was read is never trusted, because a write to a mapped page that is already dirty does not change
//! the times. With `--rehash`, nothing that an earlier process stored is trusted.
//!
//! Known limit: files of another user and files on NFS are trusted even if a process
//! has them open for writing.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use contract::{Invalid, ShowPath, Source, files, sources::Found};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use store::keys::Digest;
use store::{Blob, Memo, Store, digest_open, is_open_for_writing};

/// Coarsest resolution of file times to allow for (FAT has two seconds), in nanoseconds.
const RESOLUTION: i64 = 2_000_000_000;

/// Minimum number of files per thread.
const BATCH: usize = 32;

/// Stored facts about a source's files.
#[derive(Serialize, Deserialize)]
pub(super) struct SourceIndex {
    /// Time at which hashing began, in nanoseconds since 1970.
    made: i64,
    /// Digest of the source that consists of these files.
    source: Digest,
    /// Sorted by name.
    entries: Vec<Entry>,
    /// Names of the empty folders that are part of the source, sorted.
    empty: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    content: Content,
}

/// Digest of a file's content, and the file's stamp from before it was read.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Content {
    pub stamp: Stamp,
    digest: Digest,
    /// `true` if a process had the file open for writing when it was read.
    has_writer: bool,
}

/// Metadata that changes when a file does.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Stamp {
    bytes: u64,
    /// In nanoseconds since 1970, like `changed`.
    modified: i64,
    changed: i64,
    inode: u64,
    device: u64,
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
            device: metadata.dev(),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        let parts = [
            self.bytes.to_le_bytes(),
            self.modified.to_le_bytes(),
            self.changed.to_le_bytes(),
            self.inode.to_le_bytes(),
            self.device.to_le_bytes(),
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
    /// Returns the stored index of a source, if there is one that may be trusted.
    pub(super) fn recall(store: &Store, source: &Source) -> Option<Self> {
        let index: Self = store.packed_memo(Memo::SourceIndex(&name(source)))?;
        (index.made >= store.index_since()).then_some(index)
    }

    /// Returns the stored digest of the source if `found` has the same files and empty folders as the index, and
    /// `contents` are the same and trusted.
    pub(super) fn source(&self, found: &Found, contents: &[Content]) -> Option<Digest> {
        let holds = |((entry, name), content): ((&Entry, &String), &Content)| {
            entry.name == *name && entry.content == *content && self.is_trusted(content)
        };
        let files = self.entries.iter().zip(&found.files).zip(contents);
        let same =
            self.entries.len() == found.files.len() && self.empty == found.empty && { files }
                .all(holds);
        same.then_some(self.source)
    }

    /// Returns whether later writes to a file with this content certainly change its stamp.
    fn is_trusted(&self, content: &Content) -> bool {
        !content.has_writer && self.is_reliable(&content.stamp)
    }

    /// Returns whether the file's last write was so long before the index was made that a later write must change its
    /// stamp.
    fn is_reliable(&self, stamp: &Stamp) -> bool {
        stamp.modified.max(stamp.changed) < self.made.saturating_sub(RESOLUTION)
    }

    /// Returns the trusted content of each of `names`, which must be sorted.
    fn known(&self, names: &[String]) -> Vec<Option<&Content>> {
        let mut entries = self.entries.iter().peekable();
        let known = names.iter().map(|name| {
            while entries.next_if(|entry| entry.name < *name).is_some() {}
            let entry = entries.next_if(|entry| entry.name == *name)?;
            self.is_trusted(&entry.content).then_some(&entry.content)
        });
        known.collect()
    }
}

/// Returns the contents of the files `names` (sorted) of the source at `path`, in their order. Reads only the
/// files that may have changed since `index` was made.
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
            // Joining an empty name would append a `/` to the path.
            let file = match name.as_str() {
                "" => path.to_owned(),
                name => path.join(name),
            };
            content(&file, known).map_err(|error| {
                Invalid::new(format!("failed to read `{}`: {error}", file.shown()))
            })
        })
        .collect()
}

/// Returns the content of a file: `known` if its stamp is still the same, otherwise by reading the file.
fn content(path: &Path, known: Option<&Content>) -> io::Result<Content> {
    if let Some(known) = known
        && Stamp::of(&fs::metadata(path)?) == known.stamp
    {
        return Ok(*known);
    }
    let file = files::open(path)?;
    let has_writer = is_open_for_writing(&file);
    if has_writer {
        // After this, a write to a mapped page makes it dirty again, which changes the stamp. If the call
        // fails, no harm is done: a file that had a writer is read again by the next plan in any case.
        let _ = file.sync_data();
    }
    // The stamp is that of the open file, taken before reading: if the file changes meanwhile, its stamp
    // will differ from this one.
    let stamp = Stamp::of(&file.metadata()?);
    let (digest, bytes) = digest_open(&file, stamp.bytes)?;
    Ok(Content {
        stamp: Stamp { bytes, ..stamp },
        digest,
        has_writer,
    })
}

/// Stores the index of a source whose digest is `digest`; hashing began at `made`. An error is only logged,
/// because the plan works without the index.
pub(super) fn store(
    store: &Store,
    source: &Source,
    made: i64,
    digest: Digest,
    found: Found,
    contents: &[Content],
) {
    let entries = found.files.into_iter().zip(contents);
    let entries = entries.map(|(name, content)| Entry {
        name,
        content: *content,
    });
    let index = SourceIndex {
        made,
        source: digest,
        entries: entries.collect(),
        empty: found.empty,
    };
    if let Err(error) = store.set_packed_memo(Memo::SourceIndex(&name(source)), &index) {
        tracing::debug!(%error, "failed to store the index of a source");
    }
}

/// Returns the name of a source's index.
fn name(source: &Source) -> String {
    let absolute = std::path::absolute(&source.path).unwrap_or_else(|_| source.path.clone());
    let mut hasher = blake3::Hasher::new();
    hasher.update(absolute.as_os_str().as_encoded_bytes());
    // No path has a zero byte.
    hasher.update(&[0, source.empty_folders.into()]);
    hasher.finalize().to_hex()[..32].to_owned()
}

/// Returns the time in nanoseconds since 1970.
pub(in crate::plan) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000_000;

    /// Returns a folder with the file `a`, and an index that lists other content for the file. The index is dated
    /// `later` nanoseconds from now.
    fn fixture(later: i64) -> (tempfile::TempDir, SourceIndex) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "a").unwrap();
        let content = Content {
            stamp: Stamp::of(&fs::metadata(folder.path().join("a")).unwrap()),
            digest: blake3::hash(b"something else").into(),
            has_writer: false,
        };
        let index = SourceIndex {
            made: now() + later,
            source: blake3::hash(b"source").into(),
            entries: vec![Entry {
                name: "a".into(),
                content,
            }],
            empty: Vec::new(),
        };
        (folder, index)
    }

    fn found(names: &[&str]) -> Found {
        let (empty, files): (Vec<_>, Vec<_>) = names.iter().partition(|name| name.ends_with('/'));
        let owned = |names: Vec<&&str>| names.into_iter().map(|name| (*name).to_owned()).collect();
        Found {
            files: owned(files),
            empty: owned(empty),
            ..Found::default()
        }
    }

    /// Returns the digest of the file, and the digest of the source according to the index.
    fn seen(folder: &Path, index: &SourceIndex) -> (Digest, Option<Digest>) {
        let found = found(&["a"]);
        let contents = contents(folder, &found.files, Some(index)).unwrap();
        (contents[0].digest, index.source(&found, &contents))
    }

    #[test]
    fn a_file_with_a_known_stamp_is_not_read() {
        let (folder, index) = fixture(HOUR);
        let expected = (index.entries[0].content.digest, Some(index.source));
        assert_eq!(seen(folder.path(), &index), expected);
    }

    #[test]
    fn a_file_written_just_before_the_index_is_read_again() {
        let (folder, index) = fixture(0);
        let expected = (blake3::hash(b"a").into(), None);
        assert_eq!(seen(folder.path(), &index), expected);
    }

    #[test]
    fn a_file_written_after_the_index_is_read_again() {
        let (folder, mut index) = fixture(HOUR);
        index.made = now() - HOUR;
        let expected = (blake3::hash(b"a").into(), None);
        assert_eq!(seen(folder.path(), &index), expected);
    }

    #[test]
    fn a_file_that_was_open_for_writing_is_read_again() {
        let (folder, mut index) = fixture(HOUR);
        index.entries[0].content.has_writer = true;
        let expected = (blake3::hash(b"a").into(), None);
        assert_eq!(seen(folder.path(), &index), expected);
    }

    #[test]
    fn every_part_of_the_stamp_counts() {
        let edits: [fn(&mut Stamp); 5] = [
            |stamp| stamp.bytes += 1,
            |stamp| stamp.modified -= 1,
            |stamp| stamp.changed -= 1,
            |stamp| stamp.inode += 1,
            |stamp| stamp.device += 1,
        ];
        for edit in edits {
            let (folder, mut index) = fixture(HOUR);
            edit(&mut index.entries[0].content.stamp);
            let expected = (blake3::hash(b"a").into(), None);
            assert_eq!(seen(folder.path(), &index), expected);
        }
    }

    #[test]
    fn an_added_removed_or_renamed_file_makes_another_source() {
        let (folder, index) = fixture(HOUR);
        let content = index.entries[0].content;
        let source = |names: &[&str], contents: &[Content]| index.source(&found(names), contents);
        assert_eq!(source(&["a"], &[content]), Some(index.source));
        assert_eq!(source(&[], &[]), None);
        assert_eq!(source(&["b"], &[content]), None);
        assert_eq!(source(&["a", "b"], &[content; 2]), None);
        assert_eq!(source(&["a", "b/"], &[content]), None);
        fs::rename(folder.path().join("a"), folder.path().join("b")).unwrap();
        let contents = contents(folder.path(), &found(&["b"]).files, Some(&index)).unwrap();
        assert_eq!(contents[0].digest, blake3::hash(b"a").into());
    }
}
