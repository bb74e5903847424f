//! [`Uploader`]: uploads records in the background.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use contract::lock;

use crate::fault::Fault;
use crate::remote::Remote;
use crate::upload::Source;
use store::keys::Key;

const THREADS: usize = 4;
/// Longest queue. Further names are left for a later upload.
const MOST_WAITING: usize = 100_000;

/// Uploads records in the background. Each name is noted on disk first, so that a kill loses none; what could not be
/// uploaded is returned by [`Remote::pending`].
pub(crate) struct Uploader {
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
    waiting: VecDeque<Key>,
    threads: usize,
    active: usize,
    /// Records that could not be uploaded.
    left: usize,
    is_ending: bool,
}

impl Uploader {
    /// Starts no thread yet.
    pub(crate) fn new(remote: Arc<Remote>, source: Box<dyn Source>) -> Self {
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
    pub(crate) fn add(&self, name: Key) {
        let noted = self.shared.remote.pending.add(&name);
        if let Err(error) = noted {
            let fault = Fault::local("note an upload for later", &error);
            self.shared.remote.reported(fault);
        }
        let mut state = lock(&self.shared.state);
        if state.is_ending || state.waiting.len() >= MOST_WAITING {
            state.left += 1;
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

    /// Returns the number of records that wait or are being uploaded.
    pub(crate) fn waiting(&self) -> usize {
        let state = lock(&self.shared.state);
        match state.threads {
            0 => 0,
            _ => state.active + state.waiting.len(),
        }
    }

    /// Ends the uploads, and returns how many records were not uploaded.
    pub(crate) fn finish(self) -> usize {
        let state = lock(&self.shared.state);
        state.left + state.waiting.len() + state.active
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
                is_done: false,
            };
            done.is_done = self.remote.upload_pending(&*self.source, &name).is_ok();
        }
    }

    /// Waits for a name. `None` ends the thread.
    fn next(&self) -> Option<Key> {
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
    /// `true` if nothing is left to upload, also because the local folder does not have the record any more.
    is_done: bool,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.active -= 1;
        if !self.is_done {
            state.left += 1;
        }
        if thread::panicking() {
            state.threads -= 1;
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}
