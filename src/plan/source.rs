//! Sources: bytes outside the store that a stage reads, and their digest in the fingerprint.
//!
//! A file counts by its content. A folder counts by the names and contents of the files that
//! [`stages::sources`] finds in it. Where the source lies, times and permissions do not count.

use std::collections::{BTreeMap, HashMap};
use std::fs::Metadata;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stages::contract::{Invalid, Segment};
use stages::sources::{Found, walk};

use super::source_index::{self, Content, SourceIndex, Stamp, contents};
use crate::store::{Blob, Digest, Store};

const CONTEXT: &str = "runner source v1";
const STAMPS: &str = "runner source stamps v1";

/// The key of the object that stands for a source in canonical parameters.
const MARK: &str = "$source";

/// What a source holds; the digest of a source is the hash of this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Listing {
    File(Blob),
    /// By path in the folder.
    Folder(BTreeMap<String, Blob>),
}

impl Listing {
    fn new(names: Vec<String>, contents: &[Content]) -> Self {
        match names.as_slice() {
            [name] if name.is_empty() => Self::File(contents[0].blob()),
            _ => Self::Folder(
                names
                    .into_iter()
                    .zip(contents.iter().map(Content::blob))
                    .collect(),
            ),
        }
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
    seen: HashMap<PathBuf, Seen>,
}

/// What was seen of a source.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    /// Of what it holds.
    pub digest: Digest,
    /// Of sizes, times and inodes of everything in it: the same only if nothing was written to.
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

    /// Looks at the file or folder at `path`.
    pub(super) fn see(&mut self, path: &Path) -> Result<Seen, Invalid> {
        if let Some(&seen) = self.seen.get(path) {
            return Ok(seen);
        }
        let Found { files, listed } = walk(path)?;
        let made = source_index::now();
        let index = SourceIndex::recall(self.store, path);
        let contents = contents(path, &files, index.as_ref())?;
        let stamps = stamps(&files, &contents, &listed);
        let known = index.and_then(|index| index.source(&files, &contents));
        let digest = match known.filter(|digest| self.store.has_memo(&memo_path(digest))) {
            Some(digest) => digest,
            None => self.learn(path, made, files, &contents),
        };
        let seen = Seen { digest, stamps };
        self.seen.insert(path.to_owned(), seen);
        Ok(seen)
    }

    /// The digest of a source that is not what it was. What was learned is kept for the next plan, and
    /// to say later what changed; a plan is as good without.
    fn learn(&self, path: &Path, made: i64, names: Vec<String>, contents: &[Content]) -> Digest {
        let listing = Listing::new(names.clone(), contents);
        let digest = listing.digest();
        source_index::keep(self.store, path, made, digest, &names, contents);
        let path = memo_path(&digest);
        if !self.store.has_memo(&path)
            && let Err(error) = self.store.set_packed_memo(&path, &listing)
        {
            tracing::debug!(%error, "the listing of a source was not kept");
        }
        digest
    }
}

/// The hash of the stamps of all that was read of a source: its files, and what says which those are.
fn stamps(names: &[String], contents: &[Content], listed: &[(String, Metadata)]) -> Digest {
    let files = names
        .iter()
        .zip(contents.iter().map(|content| content.stamp));
    let listed = listed
        .iter()
        .map(|(name, metadata)| (name, Stamp::of(metadata)));
    Digest::derive_from(STAMPS, |writer| {
        // A name holds no zero byte, and a stamp has a fixed length.
        listed.chain(files).try_for_each(|(name, stamp)| {
            writer.write_all(name.as_bytes())?;
            writer.write_all(&[0])?;
            writer.write_all(&stamp.to_bytes())
        })
    })
    .expect("hashing does not fail")
}
