//! Sources: bytes outside the store that a stage reads, and their digest in the fingerprint.
//!
//! A file counts by its content. A folder counts by the names and contents of the files that
//! [`contract::sources`] finds in it, and for some stages by its empty folders. Where the source lies, times and
//! permissions do not count.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};

use contract::{
    Invalid, Segment, Source,
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

/// The key of the object that stands for a source in canonical parameters.
const MARK: &str = "$source";

/// What a source holds; the digest of a source is the hash of this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Listing {
    File(Blob),
    /// By path in the folder. An empty folder has a `/` behind its name, and no bytes.
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

    /// The listing a digest was once made from, if it was kept.
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

/// What stands for a source in the canonical parameters.
pub(super) fn stand_in(digest: &Digest) -> Value {
    json!({ MARK: digest })
}

/// The digest, if `value` stands for a source.
pub fn stands_for(value: &Value) -> Option<Digest> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.get(MARK)?.as_str()?.parse().ok()
}

/// The parameter at `path`.
pub(super) fn param_mut<'a>(params: &'a mut Value, path: &[Segment]) -> Option<&'a mut Value> {
    path.iter()
        .try_fold(params, |value, segment| match segment {
            Segment::Key(key) => value.get_mut(key),
            Segment::Index(index) => value.get_mut(index),
        })
}

/// The sources of one plan; each is read once.
pub(super) struct Sources<'a> {
    store: &'a Store,
    /// By path, and whether empty folders count.
    seen: HashMap<(PathBuf, bool), Seen>,
}

/// What was seen of a source.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    /// Of what it holds.
    pub digest: Digest,
    /// Of sizes, times, inodes and devices of everything in it, and of what leads to it: the same only if
    /// nothing was written to or switched.
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

    /// Looks at a source.
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
        // What leads nowhere is told in better words by `walk`.
        let way = ways.follow(path);
        let mut found = walk(path)?;
        let links = found.links.iter().map(|(name, _)| path.join(name));
        let followed = links.fold(way, |so_far, link| so_far.and(ways.follow(&link)));
        followed.map_err(|error| {
            Invalid::new(format!("failed to read `{}`: {error}", path.display()))
        })?;
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

    /// The digest of a source that is not what it was. What was learned is kept for the next plan, and
    /// to say later what changed; a plan is as good without.
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

/// The hash of the stamps of all that was read of a source: its files, what says which those are, the links in
/// it, and what leads to it.
fn stamps(found: &Found, contents: &[Content], ways: &Ways) -> Digest {
    let files = found
        .files
        .iter()
        .zip(contents.iter().map(|content| content.stamp));
    let others = found.listed.iter().chain(&found.links);
    let others = others.map(|(name, metadata)| (name, Stamp::of(metadata)));
    Digest::derive_from(STAMPS, |writer| {
        // A name holds no zero byte, and a stamp has a fixed length.
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
