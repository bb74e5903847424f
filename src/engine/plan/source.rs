//! Sources: bytes outside the store that a stage reads, and their digest in the fingerprint.
//!
//! A file is identified by its content. A folder is identified by the names and contents of the files that
//! [`contract::sources`] finds in it, and for some stages also by its empty folders. The source's location, its
//! times and its permissions do not matter.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};

use contract::{
    Invalid, Segment, ShowPath, Source,
    sources::{Found, walk},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::source_index::{self, Content, SourceIndex, Stamp, contents};
use super::source_path::Ways;
use crate::keys::Digest;
use crate::store::{Blob, Store};

const CONTEXT: &str = "runner source v1";
const STAMPS: &str = "runner source stamps v1";

/// Key of the object that replaces a source in canonical parameters.
const MARK: &str = "$source";

/// Content of a source. The digest of the source is the hash of this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Listing {
    File(Blob),
    /// By path in the folder. An empty folder has a `/` after its name and the digest of no bytes.
    Folder(BTreeMap<String, Blob>),
}

impl Listing {
    fn new(names: &[String], contents: &[Content], empty: &[String]) -> Self {
        if let [name] = names
            && name.is_empty()
        {
            return Self::File(contents[0].blob());
        }
        let nothing = Blob {
            digest: blake3::hash(b"").into(),
            bytes: 0,
        };
        let files = names.iter().zip(contents.iter().map(Content::blob));
        let empty = empty.iter().map(|name| (name, nothing));
        let entries = files.chain(empty);
        Self::Folder(entries.map(|(name, blob)| (name.clone(), blob)).collect())
    }

    fn digest(&self) -> Digest {
        Digest::derive_from(CONTEXT, |writer| Ok(serde_json::to_writer(writer, self)?))
            .expect("a listing has a JSON form")
    }

    /// Returns the listing that a digest was made from, if it is still stored.
    pub(super) fn recall(store: &Store, digest: &Digest) -> Option<Self> {
        store.packed_memo(&memo_path(digest))
    }

    pub(super) fn files(&self) -> BTreeMap<&str, Blob> {
        match self {
            Self::File(blob) => BTreeMap::from([("", *blob)]),
            Self::Folder(files) => files
                .iter()
                .map(|(name, blob)| (name.as_str(), *blob))
                .collect(),
        }
    }
}

fn memo_path(digest: &Digest) -> PathBuf {
    Path::new("sources")
        .join("listings")
        .join(format!("{digest}.packed"))
}

/// Returns the value that replaces a source in the canonical parameters.
pub(super) fn stand_in(digest: &Digest) -> Value {
    json!({ MARK: digest })
}

/// Returns the digest if `value` replaces a source.
pub fn stands_for(value: &Value) -> Option<Digest> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.get(MARK)?.as_str()?.parse().ok()
}

/// Returns the parameter at `path`.
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
    seen: HashMap<(PathBuf, bool), Seen>,
}

/// Result of reading a source.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    /// Digest of its content.
    pub digest: Digest,
    /// Hash of the sizes, times, inodes and devices of everything in it, and of the path to it. It stays the
    /// same only if nothing was written to or switched.
    pub stamps: Digest,
}

impl<'a> Sources<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self {
            store,
            seen: HashMap::new(),
        }
    }

    pub(super) fn store(&self) -> &Store {
        self.store
    }

    /// Reads a source, or returns what was seen of it before.
    pub(super) fn see(&mut self, source: &Source) -> Result<Seen, Invalid> {
        let Source {
            path,
            empty_folders,
            ..
        } = source;
        let seen = (path.clone(), *empty_folders);
        if let Some(&seen) = self.seen.get(&seen) {
            return Ok(seen);
        }
        let mut ways = Ways::default();
        // `walk` has the better error message for a path that leads nowhere.
        let way = ways.follow(path);
        let mut found = walk(path)?;
        let links = found.links.iter().map(|(name, _)| path.join(name));
        let followed = links.fold(way, |so_far, link| so_far.and(ways.follow(&link)));
        followed
            .map_err(|error| Invalid::new(format!("failed to read `{}`: {error}", path.shown())))?;
        if !empty_folders {
            found.empty.clear();
        }
        let made = source_index::now();
        let index = SourceIndex::recall(self.store, source);
        let contents = contents(path, &found.files, index.as_ref())?;
        let stamps = stamps(&found, &contents, &ways);
        let known = index.and_then(|index| index.source(&found, &contents));
        let digest = match known.filter(|digest| self.store.has_memo(&memo_path(digest))) {
            Some(digest) => digest,
            None => self.learn(source, made, found, &contents),
        };
        let now = Seen { digest, stamps };
        self.seen.insert(seen, now);
        Ok(now)
    }

    /// Returns the digest of a source that has changed. The index and the listing are stored for the next
    /// plan and to explain later what changed; the plan works without them.
    fn learn(&self, source: &Source, made: i64, found: Found, contents: &[Content]) -> Digest {
        let listing = Listing::new(&found.files, contents, &found.empty);
        let digest = listing.digest();
        source_index::keep(self.store, source, made, digest, found, contents);
        let path = memo_path(&digest);
        if !self.store.has_memo(&path)
            && let Err(error) = self.store.set_packed_memo(&path, &listing)
        {
            tracing::debug!(%error, "the listing of a source was not kept");
        }
        digest
    }
}

/// Returns the hash of the stamps of everything that was read of a source: its files, the folders and ignore
/// files that select them, the links in it, and the path to it.
fn stamps(found: &Found, contents: &[Content], ways: &Ways) -> Digest {
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
        ways.stamps()
            .iter()
            .try_for_each(|stamp| writer.write_all(stamp))
    })
    .expect("hashing does not fail")
}
