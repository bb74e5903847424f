//! [`SharedCache`]: a remote as a store uses it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract::lock;
use store::keys::{Digest, Key};
use store::{ActionRecord, Blob, CreateFile, Store};

use crate::lookup::in_parallel;
use crate::names::RecordName;
use crate::remote::Remote;
use crate::upload::Source;
use crate::uploader::Uploader;

/// Time that the end of a command waits for uploads.
const PATIENCE: Duration = Duration::from_secs(60);

/// A remote that is attached to a store. It uploads in the background, and reports its first problem with a warning.
pub struct SharedCache {
    remote: Arc<Remote>,
    /// `None` once the uploads have ended.
    uploader: Mutex<Option<Uploader>>,
}

impl std::fmt::Debug for SharedCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.remote.fmt(f)
    }
}

impl SharedCache {
    /// `source` is the store that this is attached to, opened once more.
    pub fn new(remote: Arc<Remote>, source: Store) -> Self {
        let uploader = Uploader::new(Arc::clone(&remote), Box::new(Local(source)));
        Self {
            remote,
            uploader: Mutex::new(Some(uploader)),
        }
    }
}

fn name(key: &Key) -> RecordName {
    RecordName {
        key: *key,
        tag: None,
    }
}

impl store::Remote for SharedCache {
    fn look_up(&self, keys: &[Key]) -> Vec<Option<Vec<u8>>> {
        let names: Vec<RecordName> = keys.iter().map(name).collect();
        self.remote.look_up(&names)
    }

    fn processors(&self) -> BTreeSet<String> {
        let tags = self.remote.tags().unwrap_or_default();
        tags.iter().map(|tag| tag.as_str().to_owned()).collect()
    }

    fn trees(&self, digests: &[Digest]) -> Vec<Option<Vec<u8>>> {
        self.remote.trees(digests)
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
        fetched.into_iter().map(|(_, fetched)| fetched).collect()
    }

    fn offer(&self, record: &ActionRecord) {
        if !self.remote.settings().mode.writes() {
            return;
        }
        if let Some(uploader) = &*lock(&self.uploader) {
            uploader.add(name(&record.content_key));
            uploader.add(name(&record.action_key));
        }
    }

    fn finish(&self) {
        let Some(uploader) = lock(&self.uploader).take() else {
            return;
        };
        let summary = uploader.finish(PATIENCE);
        if summary.left > 0 {
            tracing::warn!(
                "{} records were not uploaded to the remote; `runner push` uploads them",
                summary.left
            );
        }
        if let Some(problem) = self.remote.problem() {
            tracing::warn!("{problem}");
        }
    }
}

impl Drop for SharedCache {
    fn drop(&mut self) {
        store::Remote::finish(self);
    }
}

/// The local folder, from which results are uploaded.
struct Local(Store);

impl Source for Local {
    fn record(&self, name: &RecordName) -> io::Result<Option<Vec<u8>>> {
        self.0.record_bytes(&name.key)
    }

    fn tree(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        self.0.tree_bytes(digest)
    }

    fn blob(&self, digest: &Digest) -> io::Result<Option<File>> {
        self.0.open_blob(digest)
    }
}
