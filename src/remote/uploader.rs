//! [`Uploader`]: uploads records in the background.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use contract::lock;

use crate::fault::Fault;
use crate::names::RecordName;
use crate::remote::Remote;
use crate::upload::{Source, Uploaded};

const THREADS: usize = 4;
/// Longest queue. Further names are left for a later upload.
const MOST_WAITING: usize = 100_000;

/// Uploads records in the background. Each name is noted on disk first, so that a kill loses none; what could not be
/// uploaded is returned by [`Remote::pending`].
pub struct Uploader {
    shared: Arc<Shared>,
}

struct Shared {
    remote: Arc<Remote>,
    source: Box<dyn Source>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<RecordName>,
    threads: usize,
    active: usize,
    summary: Summary,
    is_ending: bool,
}

/// Result of background uploads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub written: usize,
    /// Records that the remote had already.
    pub present: usize,
    /// Records that were not uploaded. They stay pending.
    pub left: usize,
}

impl Uploader {
    /// Starts no thread yet.
    pub fn new(remote: Arc<Remote>, source: Box<dyn Source>) -> Self {
        Self {
            shared: Arc::new(Shared {
                remote,
                source,
                state: Mutex::default(),
                changed: Condvar::new(),
            }),
        }
    }

    /// Adds a record, which must be on disk with its outputs. Does not wait.
    pub fn add(&self, name: RecordName) {
        let noted = self.shared.remote.pending.add(&name);
        if let Err(error) = noted {
            let fault = Fault::local("note an upload for later", &error);
            self.shared.remote.reported(fault);
        }
        let mut state = lock(&self.shared.state);
        if state.is_ending || state.waiting.len() >= MOST_WAITING {
            state.summary.left += 1;
            return;
        }
        state.waiting.push_back(name);
        if state.threads < THREADS && state.threads < state.active + state.waiting.len() {
            let shared = Arc::clone(&self.shared);
            let begun = thread::Builder::new().name("upload".to_owned());
            // Without a thread, the names stay pending.
            if begun.spawn(move || shared.work()).is_ok() {
                state.threads += 1;
            }
        }
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Waits until everything is uploaded, for at most `patience`, and ends the uploads.
    pub fn finish(self, patience: Duration) -> Summary {
        let end = Instant::now().checked_add(patience);
        let mut state = lock(&self.shared.state);
        while state.threads > 0 && state.active + state.waiting.len() > 0 {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let left = left.unwrap_or(Duration::from_secs(3600));
            if left.is_zero() {
                break;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut summary = state.summary;
        summary.left += state.waiting.len() + state.active;
        summary
    }
}

/// Ends the threads after what they are doing.
impl Drop for Uploader {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.is_ending = true;
        state.waiting.clear();
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        while let Some(name) = self.next() {
            // Counts the upload as left if it panics.
            let mut done = Done {
                shared: self,
                result: None,
            };
            done.result = self.remote.upload_pending(&*self.source, &name).ok();
        }
    }

    /// Waits for a name. `None` ends the thread.
    fn next(&self) -> Option<RecordName> {
        let mut state = lock(&self.state);
        loop {
            if state.is_ending {
                return None;
            }
            if let Some(name) = state.waiting.pop_front() {
                state.active += 1;
                return Some(name);
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

struct Done<'a> {
    shared: &'a Shared,
    result: Option<Uploaded>,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.active -= 1;
        match self.result {
            Some(Uploaded::Written) => state.summary.written += 1,
            Some(Uploaded::Present) => state.summary.present += 1,
            // It was collected meanwhile: there is nothing left to upload.
            Some(Uploaded::Missing) => {}
            None => state.summary.left += 1,
        }
        if thread::panicking() {
            state.threads -= 1;
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}
