//! Fetches trees and blobs, and verifies every byte.

use std::fs::File;
use std::os::unix::fs::FileExt;

use blake3::Hasher;
use store::keys::Digest;
use store::{Blob, Tree};

use crate::fault::{Fault, FaultKind};
use crate::health::Side;
use crate::lookup::{Bounds, in_parallel, read};
use crate::names::ObjectName;
use crate::objects::Objects;
use crate::remote::Remote;

/// Largest tree, in bytes.
const MOST_TREE: usize = 64 << 20;

impl Remote {
    /// Returns the bytes of a tree, which have this digest. `None` if the remote has no such tree.
    ///
    /// # Errors
    /// If the remote does not answer, or the tree is damaged.
    pub fn tree(&self, digest: &Digest) -> Result<Option<Vec<u8>>, Fault> {
        self.tree_within(digest, &Bounds::none())
    }

    fn tree_within(&self, digest: &Digest, bounds: &Bounds) -> Result<Option<Vec<u8>>, Fault> {
        let found = self.attempt(Side::Read, |objects| read_tree(objects, digest, bounds));
        if found
            .as_ref()
            .is_err_and(|fault| fault.kind == FaultKind::Damaged)
        {
            self.distrust_object(ObjectName::Tree(*digest));
        }
        let found = found?.map(|(_, bytes)| bytes);
        if found.is_none() {
            self.report_absence();
        }
        Ok(found)
    }

    /// Like [`Remote::tree`] for several trees at the same time, in the order of `digests`. Never fails: without an
    /// answer, a tree counts as absent.
    pub fn trees(&self, digests: &[Digest]) -> Vec<Option<Vec<u8>>> {
        let items: Vec<_> = digests.iter().enumerate().collect();
        let threads = self.settings.limits.requests;
        let bounds = Bounds::of_trees(digests.len());
        let mut found = in_parallel(threads, &items, |(index, digest)| {
            (*index, self.tree_within(digest, &bounds).ok().flatten())
        });
        found.sort_unstable_by_key(|(index, _)| *index);
        found.into_iter().map(|(_, tree)| tree).collect()
    }

    /// Writes the content of a blob to `into`, from the start. The file has exactly this content if the result is
    /// `true`. Returns `false` if the remote has no such blob. A transfer that breaks is continued where it broke.
    ///
    /// # Errors
    /// If the remote does not answer, its blob is damaged, or `into` cannot be written. The file may then hold a part.
    pub fn fetch(&self, blob: &Blob, into: &File) -> Result<bool, Fault> {
        let name = ObjectName::Blob(blob.digest);
        let mut download = Download {
            blob: *blob,
            into,
            at: 0,
            hasher: Hasher::new(),
        };
        let fetched = self.attempt(Side::Read, |objects| download.go_on(objects, &name));
        if fetched
            .as_ref()
            .is_err_and(|fault| fault.kind == FaultKind::Damaged)
        {
            self.distrust_object(name);
        }
        if matches!(fetched, Ok(false)) {
            self.report_absence();
        }
        fetched
    }

    /// Reports that an object is missing that a record names.
    fn report_absence(&self) {
        self.health.report(format!(
            "the remote `{}` has records whose outputs are missing; they count as absent",
            self.settings.address
        ));
    }
}

/// Reads and decodes a tree.
pub(crate) fn read_tree(
    objects: &dyn Objects,
    digest: &Digest,
    bounds: &Bounds,
) -> Result<Option<(Tree, Vec<u8>)>, Fault> {
    let Some(bytes) = read(objects, &ObjectName::Tree(*digest), MOST_TREE, bounds)? else {
        return Ok(None);
    };
    let tree = Tree::decode(digest, &bytes).map_err(|_| {
        Fault::new(
            FaultKind::Damaged,
            format!("the remote's tree `{}` is damaged", digest.short()),
        )
    })?;
    Ok(Some((tree, bytes)))
}

/// A blob of which a part has arrived.
struct Download<'a> {
    blob: Blob,
    into: &'a File,
    at: u64,
    hasher: Hasher,
}

impl Download<'_> {
    fn go_on(&mut self, objects: &dyn Objects, name: &ObjectName) -> Result<bool, Fault> {
        let begun = self.at;
        // A blob that has arrived completely was damaged, or is empty.
        let is_there = objects.get(&name.to_string(), begun, &mut |piece| self.receive(piece));
        match is_there {
            Ok(true) => {}
            Ok(false) if begun == 0 => return Ok(false),
            // What was there a moment ago is gone, or the server does not know the rest.
            Ok(false) => return Err(self.damaged()),
            Err(fault) => {
                if fault.kind == FaultKind::Damaged {
                    self.start_over();
                }
                return Err(fault);
            }
        }
        let is_whole = self.at == self.blob.bytes;
        if is_whole && Digest::from(self.hasher.finalize()) == self.blob.digest {
            let cut = self.into.set_len(self.blob.bytes);
            cut.map_err(|error| Fault::local("write a downloaded file", &error))?;
            return Ok(true);
        }
        if !is_whole && self.at > begun {
            // Shorter than announced: the next attempt asks for the rest.
            return Err(Fault::new(
                FaultKind::Connection,
                format!(
                    "the remote sent only a part of blob `{}`",
                    self.blob.digest.short()
                ),
            ));
        }
        Err(self.damaged())
    }

    fn receive(&mut self, piece: &[u8]) -> Result<(), Fault> {
        if piece.len() as u64 > self.blob.bytes - self.at {
            return Err(self.damaged());
        }
        let written = self.into.write_all_at(piece, self.at);
        written.map_err(|error| Fault::local("write a downloaded file", &error))?;
        self.hasher.update(piece);
        self.at += piece.len() as u64;
        Ok(())
    }

    fn damaged(&mut self) -> Fault {
        self.start_over();
        Fault::new(
            FaultKind::Damaged,
            format!(
                "the remote's blob `{}` is damaged",
                self.blob.digest.short()
            ),
        )
    }

    fn start_over(&mut self) {
        self.at = 0;
        self.hasher = Hasher::new();
    }
}
