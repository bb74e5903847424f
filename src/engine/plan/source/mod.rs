//! Sources: bytes outside the store that a stage reads, and their digest in the fingerprint.
//!
//! A file is identified by its content. A folder is identified by the names and contents of the files that
//! [`contract::sources`] finds in it, and for some stages also by its empty folders. The source's location, its
//! times and its permissions do not matter.

mod index;
mod listing;
mod path;

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use contract::{
    Invalid, Segment, ShowPath, Source,
    sources::{Found, walk},
};
use serde_json::{Value, json};

use index::{Content, SourceIndex, Stamp, contents};
use path::PathStamps;
use store::keys::Digest;
use store::{Memo, Store};

pub(super) use index::now;
pub(super) use listing::Listing;

const STAMPS: &str = "runner source stamps v1";

/// Key of the object that replaces a source in canonical parameters.
const MARK: &str = "$source";

/// Returns the value that replaces a source in the canonical parameters.
pub(super) fn placeholder(digest: &Digest) -> Value {
    json!({ MARK: digest })
}

/// Returns the digest if `value` replaces a source.
pub fn source_digest(value: &Value) -> Option<Digest> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.get(MARK)?.as_str()?.parse().ok()
}

/// Returns the parameter at `path`.
pub(super) fn param<'a>(params: &'a Value, path: &[Segment]) -> Option<&'a Value> {
    path.iter()
        .try_fold(params, |value, segment| match segment {
            Segment::Key(key) => value.get(key),
            Segment::Index(index) => value.get(index),
        })
}

/// Like [`param`], to change the parameter.
pub(super) fn param_mut<'a>(params: &'a mut Value, path: &[Segment]) -> Option<&'a mut Value> {
    path.iter()
        .try_fold(params, |value, segment| match segment {
            Segment::Key(key) => value.get_mut(key),
            Segment::Index(index) => value.get_mut(index),
        })
}

/// The sources of one plan. Each is read once.
pub(super) struct Sources<'a> {
    store: &'a Store,
    /// By path and whether empty folders count.
    read: HashMap<(PathBuf, bool), ReadSource>,
}

/// Result of reading a source.
#[derive(Clone, Copy)]
pub(super) struct ReadSource {
    /// Digest of its content.
    pub digest: Digest,
    /// Hash of the sizes, times, inodes and devices of everything in it, and of the path to it. It stays the
    /// same only if nothing was written to or replaced.
    pub stamps: Digest,
}

impl<'a> Sources<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self {
            store,
            read: HashMap::new(),
        }
    }

    pub(super) fn store(&self) -> &Store {
        self.store
    }

    /// Reads a source. If it was read before, returns that result.
    pub(super) fn read(&mut self, source: &Source) -> Result<ReadSource, Invalid> {
        let Source {
            path,
            empty_folders,
            ..
        } = source;
        let key = (path.clone(), *empty_folders);
        if let Some(&read) = self.read.get(&key) {
            return Ok(read);
        }
        let mut path_stamps = PathStamps::default();
        // `walk` has the better error message for a path that leads nowhere.
        let path_followed = path_stamps.follow(path);
        let mut found = walk(path)?;
        let links = found.links.iter().map(|(name, _)| path.join(name));
        let followed = links.fold(path_followed, |so_far, link| {
            so_far.and(path_stamps.follow(&link))
        });
        followed
            .map_err(|error| Invalid::new(format!("failed to read `{}`: {error}", path.shown())))?;
        if !empty_folders {
            found.empty.clear();
        }
        let started = now();
        let index = SourceIndex::recall(self.store, source);
        let contents = contents(path, &found.files, index.as_ref())?;
        let stamps = stamps(&found, &contents, &path_stamps);
        let known = index.and_then(|index| index.source(&found, &contents));
        let digest = match known.filter(|digest| self.store.has_memo(Memo::Listing(digest))) {
            Some(digest) => digest,
            None => self.store_digest(source, started, found, &contents),
        };
        let read = ReadSource { digest, stamps };
        self.read.insert(key, read);
        Ok(read)
    }

    /// Computes the digest of a source. Stores the index for the next plan, and the listing to explain later what
    /// changed; the plan works without them.
    fn store_digest(
        &self,
        source: &Source,
        started: i64,
        found: Found,
        contents: &[Content],
    ) -> Digest {
        let listing = Listing::new(&found.files, contents, &found.empty);
        let digest = listing.digest();
        index::store(self.store, source, started, digest, found, contents);
        let memo = Memo::Listing(&digest);
        if !self.store.has_memo(memo)
            && let Err(error) = self.store.set_packed_memo(memo, &listing)
        {
            tracing::debug!(%error, "failed to store the listing of a source");
        }
        digest
    }
}

/// Returns the hash of the stamps of everything that was read of a source: its files, the folders and ignore
/// files that select them, the links in it, and the path to it.
fn stamps(found: &Found, contents: &[Content], path_stamps: &PathStamps) -> Digest {
    let files = found
        .files
        .iter()
        .zip(contents.iter().map(|content| content.stamp));
    let others = found.listed.iter().chain(&found.links);
    let others = others.map(|(name, metadata)| (name, Stamp::of(metadata)));
    Digest::derive_from(STAMPS, |writer| {
        // A name has no zero byte, and a stamp has a fixed length.
        others.chain(files).try_for_each(|(name, stamp)| {
            writer.write_all(name.as_bytes())?;
            writer.write_all(&[0])?;
            writer.write_all(&stamp.to_bytes())
        })?;
        path_stamps
            .stamps()
            .iter()
            .try_for_each(|stamp| writer.write_all(stamp))
    })
    .expect("hashing does not fail")
}
