//! [`SharedCache`]: a remote as a store uses it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use contract::lock;
use store::keys::{Digest, Key};
use store::{ActionRecord, Blob, CreateFile, Store, Traffic};

use crate::lookup::in_parallel;
use crate::remote::Remote;
use crate::upload::Source;
use crate::uploader::Uploader;

/// A remote that is attached to a store. It uploads in the background, and reports its first problem with a warning.
pub struct SharedCache {
    remote: Arc<Remote>,
    /// `None` once the uploads have ended.
    uploader: Mutex<Option<Uploader>>,
    has_warned: AtomicBool,
}

impl std::fmt::Debug for SharedCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.remote.fmt(f)
    }
}

impl SharedCache {
    /// `source` is the store that this is attached to, opened once more.
    pub fn new(remote: Arc<Remote>, source: Store) -> Self {
        let uploader = Uploader::new(Arc::clone(&remote), Box::new(LocalFolder(source)));
        Self {
            remote,
            uploader: Mutex::new(Some(uploader)),
            has_warned: AtomicBool::new(false),
        }
    }

    /// Warns of the first problem, once.
    fn warn(&self) {
        let Some(problem) = self.remote.problem() else {
            return;
        };
        if self.has_warned.swap(true, Ordering::Relaxed) {
            return;
        }
        let end = match problem.is_off {
            true => "; it is not used any more in this run",
            false => "",
        };
        tracing::warn!("shared cache: {}{end}", problem.first);
    }
}

impl store::Remote for SharedCache {
    fn look_up(&self, keys: &[Key]) -> Vec<Option<Vec<u8>>> {
        let answers = self.remote.look_up(keys);
        self.warn();
        answers
    }

    fn processors(&self) -> BTreeSet<String> {
        if !self.remote.settings().mode.reads() {
            return BTreeSet::new();
        }
        let kinds = self.remote.processors().unwrap_or_default();
        self.warn();
        kinds
    }

    fn trees(&self, digests: &[Digest]) -> Vec<Option<Vec<u8>>> {
        let trees = self.remote.trees(digests);
        self.warn();
        trees
    }

    fn fetch(&self, blobs: &[Blob], create: &CreateFile<'_>) -> Vec<bool> {
        let items: Vec<(usize, &Blob)> = blobs.iter().enumerate().collect();
        let threads = self.remote.settings().limits.requests;
        let mut fetched = in_parallel(threads, &items, |&(position, blob)| {
            let fetched = match create(position) {
                Ok(file) => self.remote.fetch(blob, &file).unwrap_or(false),
                Err(error) => {
                    tracing::debug!(%error, "failed to create a file for a download");
                    false
                }
            };
            (position, fetched)
        });
        fetched.sort_unstable();
        self.warn();
        fetched.into_iter().map(|(_, fetched)| fetched).collect()
    }

    fn offer(&self, record: &ActionRecord) {
        if !self.remote.settings().mode.writes() {
            return;
        }
        if let Some(uploader) = &*lock(&self.uploader) {
            uploader.add(record.content_key);
            uploader.add(record.action_key);
        }
    }

    fn distrust(&self, key: &Key) {
        self.remote.distrust(key);
    }

    fn waiting(&self) -> usize {
        lock(&self.uploader).as_ref().map_or(0, Uploader::waiting)
    }

    fn traffic(&self) -> Traffic {
        let counts = self.remote.statistics();
        Traffic {
            received: counts.received,
            sent: counts.sent,
        }
    }

    fn finish(&self) -> usize {
        let left = lock(&self.uploader).take().map_or(0, Uploader::finish);
        self.warn();
        self.remote.save();
        left
    }
}

impl Drop for SharedCache {
    fn drop(&mut self) {
        store::Remote::finish(self);
    }
}

/// The local folder, from which results are uploaded.
#[derive(Debug)]
pub struct LocalFolder(pub Store);

impl Source for LocalFolder {
    fn record(&self, key: &Key) -> io::Result<Option<Vec<u8>>> {
        self.0.record_bytes(key)
    }

    fn tree(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        self.0.tree_bytes(digest)
    }

    fn blob(&self, digest: &Digest) -> io::Result<Option<File>> {
        self.0.open_blob(digest)
    }
}
