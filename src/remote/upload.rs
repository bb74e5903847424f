//! Uploads records with everything that they name: blobs, then trees, then the record.
//!
//! Others therefore never see a record whose outputs are not there. `collect.rs` explains why that stays true while
//! objects are deleted.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;

use contract::lock;
use store::keys::{Digest, Key};
use store::{ActionRecord, Blob, Tree, is_processor};

use crate::collect::REFRESH;
use crate::download::read_tree;
use crate::fault::{Fault, FaultKind};
use crate::health::Side;
use crate::keys::Envelope;
use crate::lookup::{Bounds, in_parallel, read_record};
use crate::names::ObjectName;
use crate::objects::{Body, How, Objects, Put};
use crate::remote::Remote;

/// Objects up to this size, in bytes, are written without a look at what is there: that is one request instead of two.
const SMALL: u64 = 64 << 10;
/// Uploads at the same time.
const UPLOADS: usize = 8;

/// The local folder, from which records are uploaded. `None` means that it has no such thing (any more).
pub trait Source: Send + Sync {
    /// Returns the bytes of a record.
    fn record(&self, name: &Key) -> io::Result<Option<Vec<u8>>>;

    /// Returns the bytes of a tree.
    fn tree(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>>;

    /// Opens a blob.
    fn blob(&self, digest: &Digest) -> io::Result<Option<File>>;
}

/// Result of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uploaded {
    /// The remote has the record now.
    Written,
    /// The remote had a sound record of this name, or another machine was faster.
    Present,
    /// The local folder does not have the record with all its outputs.
    Missing,
}

impl Remote {
    /// Uploads records, several at the same time. The results are in the order of `names`. Records that were not
    /// uploaded, because the remote failed, stay pending.
    pub fn push(&self, source: &dyn Source, names: &[Key]) -> Vec<Result<Uploaded, Fault>> {
        let items: Vec<_> = names.iter().enumerate().collect();
        let mut results = in_parallel(UPLOADS, &items, |(index, name)| {
            (*index, self.upload_pending(source, name))
        });
        results.sort_unstable_by_key(|(index, _)| *index);
        self.known.save_at_times(names.len());
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// Returns the names of records that are still to be uploaded.
    ///
    /// # Errors
    /// If the folder of this machine cannot be read.
    pub fn pending(&self) -> io::Result<Vec<Key>> {
        self.pending.list()
    }

    /// Notes that a record is to be uploaded, uploads it, and removes the note.
    pub(crate) fn upload_pending(
        &self,
        source: &dyn Source,
        name: &Key,
    ) -> Result<Uploaded, Fault> {
        let noted = self.pending.add(name);
        let uploaded = self.upload(source, name);
        match &uploaded {
            Ok(_) => {
                // If the note stays, the next upload finds the record present.
                let _ = self.pending.remove(name);
            }
            Err(_) => {
                if let Err(error) = noted {
                    self.reported(Fault::local("note an upload for later", &error));
                }
            }
        }
        uploaded
    }

    /// Uploads one record with everything that it names.
    ///
    /// # Errors
    /// If the remote does not answer or refuses, or a local file is damaged.
    fn upload(&self, source: &dyn Source, name: &Key) -> Result<Uploaded, Fault> {
        if !self.settings.mode.writes() {
            return Err(Fault::new(
                FaultKind::Unsupported,
                "the mode of the remote is `read`; use `write` or `read-write`",
            ));
        }
        let local = |what, result: io::Result<_>| {
            result.map_err(|error| self.reported(Fault::local(what, &error)))
        };
        let Some(bytes) = local("read a record", source.record(name))? else {
            return Ok(Uploaded::Missing);
        };
        let Ok(record) = ActionRecord::decode(&bytes, name) else {
            return Ok(Uploaded::Missing);
        };
        if self.is_there(name)? {
            return Ok(Uploaded::Present);
        }
        let outputs: BTreeSet<Digest> = record.outputs.values().copied().collect();
        let mut renewed = Vec::new();
        for digest in &outputs {
            if !self.send_output(source, digest, &mut renewed)? {
                return Ok(Uploaded::Missing);
            }
        }
        if let Some(kind) = record
            .fingerprint
            .processor
            .filter(|kind| is_processor(kind))
        {
            self.send_processor(kind)?;
        }
        let uploaded = self.send_record(name, bytes)?;
        for blob in &renewed {
            self.confirm(source, blob)?;
        }
        Ok(uploaded)
    }

    /// `true` if the remote has a sound and complete record of this name.
    fn is_there(&self, name: &Key) -> Result<bool, Fault> {
        let object = ObjectName::Record(*name);
        if self.is_void(&object) {
            return Ok(false);
        }
        self.attempt(Side::Write, |objects| {
            let envelope = match read_record(objects, name, &Bounds::none()) {
                Ok(Some(envelope)) if self.accepts(name, &envelope) => envelope,
                Ok(_) => return Ok(false),
                Err(fault) if fault.kind == FaultKind::Damaged => return Ok(false),
                Err(fault) => return Err(fault),
            };
            let Ok(record) = ActionRecord::decode(&envelope.record, name) else {
                return Ok(false);
            };
            for digest in record.outputs.values() {
                if !self.has_output(objects, digest)? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// `true` if the remote has a tree and all its blobs, as far as their sizes show. An output that two records name is
    /// examined once.
    fn has_output(&self, objects: &dyn Objects, digest: &Digest) -> Result<bool, Fault> {
        if lock(&self.complete).contains(digest) {
            return Ok(true);
        }
        let tree = match read_tree(objects, digest, &Bounds::none()) {
            Ok(Some((tree, _))) if !self.is_void(&ObjectName::Tree(*digest)) => tree,
            Ok(_) => return Ok(false),
            Err(fault) if fault.kind == FaultKind::Damaged => return Ok(false),
            Err(fault) => return Err(fault),
        };
        let blobs: Vec<&Blob> = tree.files.values().collect();
        let found = in_parallel(UPLOADS, &blobs, |blob| {
            let object = ObjectName::Blob(blob.digest);
            let found = objects.stat(&object.to_string())?;
            Ok(!self.is_void(&object) && found.is_some_and(|found| found.bytes == blob.bytes))
        });
        for is_there in found {
            if !is_there? {
                return Ok(false);
            }
        }
        lock(&self.complete).insert(*digest);
        Ok(true)
    }

    /// Uploads a tree after its blobs. `false` if the local folder does not have all of it.
    fn send_output(
        &self,
        source: &dyn Source,
        digest: &Digest,
        renewed: &mut Vec<Blob>,
    ) -> Result<bool, Fault> {
        let tree = source.tree(digest);
        let tree = tree.map_err(|error| self.reported(Fault::local("read a tree", &error)))?;
        let Some(bytes) = tree else {
            return Ok(false);
        };
        let Ok(tree) = Tree::decode(digest, &bytes) else {
            return Ok(false);
        };
        let blobs: BTreeSet<(Digest, u64)> = tree
            .files
            .values()
            .map(|blob| (blob.digest, blob.bytes))
            .collect();
        let blobs: Vec<Blob> = blobs
            .into_iter()
            .map(|(digest, bytes)| Blob { digest, bytes })
            .collect();
        let results = in_parallel(UPLOADS, &blobs, |blob| {
            (*blob, self.send_blob(source, blob))
        });
        for (blob, result) in results {
            if !result? {
                return Ok(false);
            }
            if lock(&self.renewed).contains(&blob.digest) {
                renewed.push(blob);
            }
        }
        let name = ObjectName::Tree(*digest);
        self.sent.once(&name, || {
            self.write(&name, &Body::Bytes(&bytes), How::Replace)?;
            Ok(true)
        })
    }

    /// Uploads a blob, unless it is there with the right size. `false` if the local folder does not have it.
    fn send_blob(&self, source: &dyn Source, blob: &Blob) -> Result<bool, Fault> {
        let name = ObjectName::Blob(blob.digest);
        self.sent.once(&name, || {
            let is_small = blob.bytes <= SMALL;
            if !is_small && !self.is_void(&name) && self.is_fresh(&name, blob)? {
                return Ok(true);
            }
            self.write_blob(source, blob, &name)
        })
    }

    /// Uploads a blob. `false` if the local folder does not have it.
    fn write_blob(
        &self,
        source: &dyn Source,
        blob: &Blob,
        name: &ObjectName,
    ) -> Result<bool, Fault> {
        let opened = source.blob(&blob.digest);
        let opened = opened.map_err(|error| self.reported(Fault::local("open a blob", &error)))?;
        let Some(file) = opened else {
            return Ok(false);
        };
        self.write(name, &Body::File(&file, *blob), How::Replace)?;
        Ok(true)
    }

    /// `true` if a blob is there with the right size, and is too young to be deleted. Its time is renewed if needed.
    fn is_fresh(&self, name: &ObjectName, blob: &Blob) -> Result<bool, Fault> {
        let path = name.to_string();
        self.attempt(Side::Write, |objects| {
            let Some(found) = objects.stat(&path)? else {
                return Ok(false);
            };
            if found.bytes != blob.bytes {
                return Ok(false);
            }
            match found.modified {
                Some(modified) if objects.now()? - modified < REFRESH => Ok(true),
                _ => {
                    lock(&self.renewed).insert(blob.digest);
                    objects.touch(&path)
                }
            }
        })
    }

    /// Uploads a blob again if a collection deleted it at the moment at which its time was renewed.
    fn confirm(&self, source: &dyn Source, blob: &Blob) -> Result<(), Fault> {
        let name = ObjectName::Blob(blob.digest);
        let path = name.to_string();
        let found = self.attempt(Side::Write, |objects| objects.stat(&path))?;
        if found.is_none() {
            self.sent.forget(&name);
            self.write_blob(source, blob, &name)?;
        }
        Ok(())
    }

    fn send_processor(&self, kind: String) -> Result<(), Fault> {
        let name = ObjectName::Processor(kind);
        self.sent.once(&name, || {
            self.write(&name, &Body::Bytes(b""), How::Replace)?;
            Ok(true)
        })?;
        Ok(())
    }

    /// Creates the record. If there is one that is not sound, replaces it.
    fn send_record(&self, name: &Key, bytes: Vec<u8>) -> Result<Uploaded, Fault> {
        let object = ObjectName::Record(*name);
        let envelope = Envelope::new(name, bytes, self.settings.signing.as_ref());
        let envelope = envelope
            .map_err(|error| self.reported(Fault::new(FaultKind::Local, error.to_string())))?;
        let content = envelope.encode();
        let body = Body::Bytes(&content);
        let mut uploaded = Uploaded::Written;
        if self.is_void(&object) {
            self.write(&object, &body, How::Replace)?;
        } else if self.write(&object, &body, How::Create)? == Put::Exists {
            // Another machine was faster, or this one was: the answer to the first attempt may have been lost.
            match self.is_there(name)? {
                true => uploaded = Uploaded::Present,
                false => drop(self.write(&object, &body, How::Replace)?),
            }
        }
        lock(&self.void).remove(&object);
        match uploaded == Uploaded::Written && self.accepts(name, &envelope) {
            true => self.known.remember(name, Some(&envelope.record)),
            false => self.known.forget(name),
        }
        Ok(uploaded)
    }

    fn write(&self, name: &ObjectName, body: &Body<'_>, how: How) -> Result<Put, Fault> {
        let path = name.to_string();
        let put = self.attempt(Side::Write, |objects| objects.put(&path, body, how))?;
        if put == Put::Written {
            lock(&self.void).remove(name);
        }
        Ok(put)
    }
}
