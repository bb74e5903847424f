//! Whether a program wrote to its inputs, which are files of the store.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use stages::contract::Failure;

use super::inputs::Inputs;
use super::local::refused;
use crate::store::{Store, Tree};

/// How the files of a program's inputs were before it ran.
pub(super) struct Untouched<'a> {
    inputs: Vec<Noted<'a>>,
}

struct Noted<'a> {
    role: &'a str,
    tree: &'a Tree,
    stamps: Vec<Option<Stamp>>,
}

/// What changes when a file is written to. Not the time of change: that moves with every link.
#[derive(PartialEq)]
struct Stamp {
    bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    inode: u64,
}

impl<'a> Untouched<'a> {
    pub fn note(inputs: &'a Inputs, store: &Store) -> Self {
        let inputs = inputs.iter().flat_map(|(role, inputs)| {
            inputs.iter().map(move |input| Noted {
                role,
                tree: &input.tree,
                stamps: stamps(&input.tree, store),
            })
        });
        Self {
            inputs: inputs.collect(),
        }
    }

    /// # Errors
    /// If one was written to. What is damaged now is set aside, so that the next run makes it again.
    pub fn check(&self, store: &Store) -> Result<(), Failure> {
        for Noted {
            role,
            tree,
            stamps: before,
        } in &self.inputs
        {
            if *before == stamps(tree, store) {
                continue;
            }
            let verified = store.verify_again(tree);
            tracing::warn!(role, ?verified, "a program wrote to its input");
            if let Err(error @ crate::store::Error::Io { .. }) = verified {
                return Err(refused(error));
            }
            return Err(Failure::Data(format!(
                "the program wrote to its input `{role}`; let it copy first what it wants to change"
            )));
        }
        Ok(())
    }
}

fn stamps(tree: &Tree, store: &Store) -> Vec<Option<Stamp>> {
    let paths = tree
        .files
        .values()
        .map(|blob| store.blob_path(&blob.digest));
    let stamp = |path: PathBuf| {
        let metadata = fs::symlink_metadata(path).ok()?;
        Some(Stamp {
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            inode: metadata.ino(),
        })
    };
    paths.map(stamp).collect()
}
