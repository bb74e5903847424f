//! Sources: bytes outside the store that a stage reads, and their digest in the fingerprint.
//!
//! A file counts by its content. A folder counts by the names and contents of all regular files
//! below it, except names that start with a dot (`.DS_Store`, `._x.jpeg`), whole folders of that
//! kind included. Symbolic links are followed wherever they lead, since whoever reads the folder
//! follows them too: what counts is the link's name and the content it leads to. Where the source
//! lies, times and permissions do not count.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stages::contract::{Invalid, Segment};

use super::source_index::{SourceIndex, Stamp};
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
    fn digest(&self) -> Digest {
        let bytes = serde_json::to_vec(self).expect("a listing has a JSON form");
        Digest::derive(CONTEXT, &bytes)
    }

    /// The listing a digest was once made from, if it was kept.
    pub(super) fn recall(store: &Store, digest: &Digest) -> Option<Self> {
        store.memo(&memo_path(digest))
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
        .join(format!("{digest}.json"))
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

    /// Looks at the file or folder at `path`.
    pub(super) fn see(&mut self, path: &Path) -> Result<Seen, Invalid> {
        if let Some(&seen) = self.seen.get(path) {
            return Ok(seen);
        }
        let Found { files, mut stamps } = find(path)?;
        let mut index = SourceIndex::open(self.store, path);
        let (blobs, of_files) = index.blobs(&files)?;
        index.keep(self.store);
        stamps.extend(files.iter().map(|file| file.name.clone()).zip(of_files));
        let listing = match files.as_slice() {
            [file] if file.name.is_empty() => Listing::File(blobs[0]),
            _ => Listing::Folder(files.into_iter().map(|file| file.name).zip(blobs).collect()),
        };
        let stamps = serde_json::to_vec(&stamps).expect("stamps have a JSON form");
        let seen = Seen {
            digest: listing.digest(),
            stamps: Digest::derive(STAMPS, &stamps),
        };
        self.seen.insert(path.to_owned(), seen);
        self.keep(&seen.digest, &listing);
        Ok(seen)
    }

    /// Keeps what a source holds, to say later what changed in it. A plan is as good without it.
    fn keep(&self, digest: &Digest, listing: &Listing) {
        let path = memo_path(digest);
        if !self.store.has_memo(&path)
            && let Err(error) = self.store.set_memo(&path, listing)
        {
            tracing::debug!(%error, "the listing of a source was not kept");
        }
    }
}

/// A file of a source.
pub(super) struct FoundFile {
    /// Its path in the source, `/` between folders; empty if it is the source itself.
    pub name: String,
    pub path: PathBuf,
    pub metadata: Metadata,
}

/// What a source consists of.
#[derive(Default)]
struct Found {
    /// All its files, in no order that matters.
    files: Vec<FoundFile>,
    /// The stamp of every folder, by its path in the source with a `/` behind.
    stamps: BTreeMap<String, Stamp>,
}

/// All of the source at `path`.
fn find(path: &Path) -> Result<Found, Invalid> {
    let metadata = fs::metadata(path).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let invalid = Invalid::new(if missing {
            format!("`{}` does not exist", path.display())
        } else {
            format!("failed to read `{}`: {error}", path.display())
        });
        match std::env::current_dir() {
            Ok(folder) if missing && path.is_relative() => invalid.hint(format!(
                "a relative path starts at the working directory, `{}`",
                folder.display()
            )),
            _ => invalid,
        }
    })?;
    let mut found = Found::default();
    add(
        path.to_owned(),
        String::new(),
        metadata,
        &mut Vec::new(),
        &mut found,
    )?;
    Ok(found)
}

/// Adds the file at `path`, or the files below it. `above` are the folders it is in (device and
/// inode), so that a link to one of them is not followed for ever.
fn add(
    path: PathBuf,
    name: String,
    metadata: Metadata,
    above: &mut Vec<(u64, u64)>,
    found: &mut Found,
) -> Result<(), Invalid> {
    let unreadable = |error| Invalid::new(format!("failed to read `{}`: {error}", path.display()));
    if metadata.is_file() {
        found.files.push(FoundFile {
            name,
            path,
            metadata,
        });
        return Ok(());
    }
    if !metadata.is_dir() {
        return Err(Invalid::new(format!(
            "`{}` is no file and no folder",
            path.display()
        )));
    }
    let id = (metadata.dev(), metadata.ino());
    if above.contains(&id) {
        return Err(Invalid::new(format!(
            "`{}` is a link to a folder it is in",
            path.display()
        )));
    }
    above.push(id);
    found
        .stamps
        .insert(format!("{name}/"), Stamp::of(&metadata));
    for entry in fs::read_dir(&path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let child = entry.file_name();
        let Some(child) = child.to_str() else {
            let message = format!("the name of `{}` is not UTF-8", entry.path().display());
            return Err(Invalid::new(message).hint("rename it"));
        };
        if child.starts_with('.') {
            continue;
        }
        let child = if name.is_empty() {
            child.to_owned()
        } else {
            format!("{name}/{child}")
        };
        let child_path = entry.path();
        let metadata = fs::metadata(&child_path).map_err(|error| {
            Invalid::new(format!(
                "failed to read `{}`: {error}",
                child_path.display()
            ))
        })?;
        add(child_path, child, metadata, above, found)?;
    }
    above.pop();
    Ok(())
}
