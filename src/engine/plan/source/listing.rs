//! The names and contents of the files of a source, from which its digest is made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::index::Content;
use store::keys::Digest;
use store::{Blob, Memo, Store};

const CONTEXT: &str = "runner source v1";

/// Content of a source. The digest of the source is the hash of this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::plan) enum Listing {
    File(Blob),
    /// By path in the folder. An empty folder has a `/` after its name and the digest of empty content.
    Folder(BTreeMap<String, Blob>),
}

impl Listing {
    pub(super) fn new(names: &[String], contents: &[Content], empty: &[String]) -> Self {
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

    pub(super) fn digest(&self) -> Digest {
        Digest::derive_from(CONTEXT, |writer| Ok(serde_json::to_writer(writer, self)?))
            .expect("a listing can be serialized")
    }

    /// Returns the listing that a digest was made from, if it is still stored.
    pub(in crate::plan) fn recall(store: &Store, digest: &Digest) -> Option<Self> {
        store.packed_memo(Memo::Listing(digest))
    }

    pub(in crate::plan) fn files(&self) -> BTreeMap<&str, Blob> {
        match self {
            Self::File(blob) => BTreeMap::from([("", *blob)]),
            Self::Folder(files) => files
                .iter()
                .map(|(name, blob)| (name.as_str(), *blob))
                .collect(),
        }
    }
}
