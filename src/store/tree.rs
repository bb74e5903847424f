//! Trees: the files of one artifact, by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::files::is_component;
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

    /// Reads the listing that `digest` names.
    ///
    /// # Errors
    /// If it is another one, or a name in it leads elsewhere.
    pub fn decode(digest: &Digest, bytes: &[u8]) -> Result<Self, Damaged> {
        if Digest::derive(CONTEXT, bytes) != *digest {
            return Err(Damaged);
        }
        let files: BTreeMap<String, Blob> = serde_json::from_slice(bytes).map_err(|_| Damaged)?;
        // The digest says that the list is what it was, not that we wrote it.
        if !are_safe(&files) {
            return Err(Damaged);
        }
        Ok(Self {
            digest: *digest,
            files,
        })
    }
}

/// Whether every name stays within the folder that the tree is put into, and none is the folder of
/// another.
fn are_safe(files: &BTreeMap<String, Blob>) -> bool {
    files.keys().all(|name| {
        let folders = name.match_indices('/').map(|(end, _)| &name[..end]);
        name.split('/').all(is_component)
            && !name.contains(char::is_control)
            && !folders.into_iter().any(|folder| files.contains_key(folder))
    })
}

fn encode(files: &BTreeMap<String, Blob>) -> Result<(Digest, Vec<u8>), Error> {
    let bytes = serde_json::to_vec(files).map_err(|source| Error::Serialise {
        what: "a tree",
        source,
    })?;
    Ok((Digest::derive(CONTEXT, &bytes), bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(names: &[&str]) -> bool {
        let blob = Blob {
            digest: blake3::hash(b"").into(),
            bytes: 0,
        };
        let files = names.iter().map(|name| (name.to_string(), blob)).collect();
        let (digest, bytes) = encode(&files).unwrap();
        Tree::decode(&digest, &bytes).is_ok()
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        assert!(decoded(&["a", "b/c", "b/d.e", "..f", "é"]));
        for name in [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a\\b", "a\0", "a\nb",
        ] {
            assert!(!decoded(&[name]), "{name:?}");
        }
        assert!(!decoded(&["a", "a/b"]));
        assert!(!decoded(&["a/b", "a/b/c/d"]));
    }

    proptest! {
        #[test]
        fn what_is_decoded_stays_inside(name in "[a./\\\\]{0,8}") {
            if decoded(&[&name]) {
                let path = std::path::Path::new("/root").join(&name);
                prop_assert!(path.starts_with("/root"));
                let plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::RootDir));
                prop_assert!(plain);
            }
        }
    }
}
