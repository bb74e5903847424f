//! Trees: the files of one artifact, by name.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Error;
use super::files::is_component;
use super::sealed::Damaged;
use crate::keys::Digest;

const CONTEXT: &str = "runner artifact tree v1";

/// Digest and size of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    pub digest: Digest,
    pub bytes: u64,
}

/// The files of one artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Hash of the encoded listing, in the domain of trees.
    pub digest: Digest,
    /// Files by path in the tree: relative, with `/` between folders, sorted.
    pub files: BTreeMap<String, Blob>,
    /// Paths of empty folders.
    pub folders: BTreeSet<String>,
}

impl Tree {
    pub fn new(files: BTreeMap<String, Blob>, folders: BTreeSet<String>) -> Result<Self, Error> {
        let (digest, _) = encode(&files, &folders)?;
        Ok(Self {
            digest,
            files,
            folders,
        })
    }

    /// Returns the bytes whose hash is `digest`.
    pub(super) fn encode(&self) -> Result<Vec<u8>, Error> {
        Ok(encode(&self.files, &self.folders)?.1)
    }

    /// Decodes the listing that `digest` names.
    ///
    /// # Errors
    /// If the listing has another digest, or a name in it leads out of the tree.
    pub fn decode(digest: &Digest, bytes: &[u8]) -> Result<Self, Damaged> {
        if Digest::derive(CONTEXT, bytes) != *digest {
            return Err(Damaged);
        }
        let listed: BTreeMap<String, Option<Blob>> =
            serde_json::from_slice(bytes).map_err(|_| Damaged)?;
        let (mut files, mut folders) = (BTreeMap::new(), BTreeSet::new());
        for (name, blob) in listed {
            match (name.strip_suffix('/'), blob) {
                (None, Some(blob)) => drop(files.insert(name, blob)),
                (Some(folder), None) => drop(folders.insert(folder.to_owned())),
                _ => return Err(Damaged),
            }
        }
        // The digest proves that the listing is unchanged, not that runner wrote it.
        if !are_safe(&files, &folders) {
            return Err(Damaged);
        }
        Ok(Self {
            digest: *digest,
            files,
            folders,
        })
    }
}

/// Returns whether every name stays inside the folder that the tree is written to, and no name lies below a file or
/// below an empty folder.
pub(super) fn are_safe(files: &BTreeMap<String, Blob>, folders: &BTreeSet<String>) -> bool {
    let is_taken = |name: &str| files.contains_key(name) || folders.contains(name);
    let names = || files.keys().chain(folders);
    names().all(|name| {
        let mut above = name.match_indices('/').map(|(end, _)| &name[..end]);
        name.split('/').all(is_component)
            && !name.contains(char::is_control)
            && !above.any(is_taken)
    }) && files.keys().all(|name| !folders.contains(name))
}

/// Encodes a tree as a JSON object of blobs by name. An empty folder has a `/` after its
/// name and the value `null`.
fn encode(
    files: &BTreeMap<String, Blob>,
    folders: &BTreeSet<String>,
) -> Result<(Digest, Vec<u8>), Error> {
    let folders = folders.iter().map(|name| (format!("{name}/"), None));
    let files = files.iter().map(|(name, blob)| (name.clone(), Some(blob)));
    let listed: BTreeMap<String, Option<&Blob>> = files.chain(folders).collect();
    let bytes = serde_json::to_vec(&listed).map_err(|source| Error::Serialize {
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
        let (folders, files): (Vec<&str>, Vec<&str>) = names
            .iter()
            .partition(|name| name.len() > 1 && name.ends_with('/'));
        let files = files.iter().map(|name| (name.to_string(), blob)).collect();
        let folders = folders.iter().map(|name| name[..name.len() - 1].to_owned());
        let (digest, bytes) = encode(&files, &folders.collect()).unwrap();
        Tree::decode(&digest, &bytes).is_ok()
    }

    #[test]
    fn names_that_lead_out_of_the_tree_are_refused() {
        assert!(decoded(&["a", "b/c", "b/d.e", "..f", "é", "d/", "b/e/"]));
        for name in [
            "", "/", "/a", "a//", "a//b", "../", "/a/", "a/../", ".", "..", "a/..", "../a",
            "a/./b", "a\\b", "a\0", "a\nb",
        ] {
            assert!(!decoded(&[name]), "{name:?}");
        }
        assert!(!decoded(&["a", "a/b"]));
        assert!(!decoded(&["a/b", "a/b/c/d"]));
        assert!(!decoded(&["a", "a/"]));
        assert!(!decoded(&["a/", "a/b"]));
        assert!(!decoded(&["a/", "a/b/"]));
    }

    proptest! {
        #[test]
        fn decoded_names_stay_inside_the_tree(name in "[a./\\\\]{0,8}") {
            if decoded(&[&name]) {
                let path = std::path::Path::new("/root").join(&name);
                prop_assert!(path.starts_with("/root"));
                let plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::RootDir));
                prop_assert!(plain);
            }
        }
    }
}
