//! [`SharedCache`]: a remote as a store uses it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use contract::lock;
use store::keys::{Digest, Key};
use store::{ActionRecord, Blob, Store, Traffic};

use crate::lookup::in_parallel;
use crate::remote::Remote;
use crate::upload::Source;
use crate::uploader::Uploader;

/// Time between two looks at whether the run is stopping.
const LOOK: Duration = Duration::from_millis(20);

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

    /// Waits for an operation, on a thread of its own. Returns `None` as soon as the run is stopping: a request to a
    /// server or a shared folder that hangs cannot be ended, only left alone.
    fn unless_stopped<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Remote) -> T + Send + 'static,
    ) -> Option<T> {
        let remote = Arc::clone(&self.remote);
        let (sender, receiver) = mpsc::channel();
        let work = move || {
            // Nobody waits for the result if the run is stopping.
            let _ = sender.send(operation(&remote));
        };
        let thread = thread::Builder::new().name("shared cache".to_owned());
        if let Err(error) = thread.spawn(work) {
            tracing::debug!(%error, "failed to start a thread for the shared cache");
            return None;
        }
        let result = loop {
            match receiver.recv_timeout(LOOK) {
                Ok(result) => break Some(result),
                Err(RecvTimeoutError::Timeout) if !self.remote.is_stopping() => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break None,
            }
        };
        self.warn();
        result
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
        let number = keys.len();
        let keys = keys.to_vec();
        self.unless_stopped(move |remote| remote.look_up(&keys))
            .unwrap_or_else(|| vec![None; number])
    }

    fn processors(&self) -> BTreeSet<String> {
        if !self.remote.settings().mode.reads() {
            return BTreeSet::new();
        }
        self.unless_stopped(|remote| remote.processors().unwrap_or_default())
            .unwrap_or_default()
    }

    fn trees(&self, digests: &[Digest]) -> Vec<Option<Vec<u8>>> {
        let number = digests.len();
        let digests = digests.to_vec();
        self.unless_stopped(move |remote| remote.trees(&digests))
            .unwrap_or_else(|| vec![None; number])
    }

    fn fetch(&self, blobs: Vec<(Blob, PathBuf)>) -> Vec<bool> {
        let number = blobs.len();
        let fetch_all = move |remote: &Remote| {
            let items: Vec<(usize, &(Blob, PathBuf))> = blobs.iter().enumerate().collect();
            let threads = remote.settings().limits.requests;
            let mut fetched = in_parallel(threads, &items, |(position, (blob, path))| {
                (*position, fetch(remote, blob, path))
            });
            fetched.sort_unstable();
            fetched.into_iter().map(|(_, fetched)| fetched).collect()
        };
        self.unless_stopped(fetch_all)
            .unwrap_or_else(|| vec![false; number])
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

    fn stop(&self) {
        self.remote.stop();
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

/// Copies a blob to a new file. Returns whether that succeeded.
fn fetch(remote: &Remote, blob: &Blob, path: &Path) -> bool {
    if remote.is_stopping() {
        return false;
    }
    match File::create_new(path) {
        Ok(file) => remote.fetch(blob, &file).unwrap_or(false),
        Err(error) => {
            tracing::debug!(%error, "failed to create a file for a download");
            false
        }
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
