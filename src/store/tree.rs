//! Trees: the files of one artifact, by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sealed::Damaged;
use super::{Digest, Error};

const CONTEXT: &str = "runner artifact tree v1";

/// A file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    pub digest: Digest,
    pub bytes: u64,
}

/// The files of one artifact, by their path in it: relative, `/` between folders, sorted. Empty
/// folders do not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Hash of the listing, in the trees' own domain.
    pub digest: Digest,
    pub files: BTreeMap<String, Blob>,
}

impl Tree {
    pub fn new(files: BTreeMap<String, Blob>) -> Result<Self, Error> {
        let (digest, _) = encode(&files)?;
        Ok(Self { digest, files })
    }

    /// The bytes that `digest` is the hash of.
    pub(super) fn encode(&self) -> Result<Vec<u8>, Error> {
        Ok(encode(&self.files)?.1)
    }

    pub(super) fn decode(digest: &Digest, bytes: &[u8]) -> Result<Self, Damaged> {
        if Digest::derive(CONTEXT, bytes) != *digest {
            return Err(Damaged);
        }
        let files = serde_json::from_slice(bytes).map_err(|_| Damaged)?;
        Ok(Self {
            digest: *digest,
            files,
        })
    }
}

fn encode(files: &BTreeMap<String, Blob>) -> Result<(Digest, Vec<u8>), Error> {
    let bytes = serde_json::to_vec(files).map_err(|source| Error::Serialise {
        what: "a tree",
        source,
    })?;
    Ok((Digest::derive(CONTEXT, &bytes), bytes))
}
