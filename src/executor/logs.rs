//! What programs of the user's write to their standard output and error.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::local::lock;
use super::log_file;

/// The logs in a run's folder, one for each stage that wrote something.
#[derive(Debug)]
pub(super) struct Logs {
    folder: PathBuf,
    /// Empty ones, removed at the end: file systems are slow at making what was removed a moment ago.
    /// None is used for another stage, as a process that was left behind may still write to it.
    empty: Mutex<Vec<PathBuf>>,
}

impl Logs {
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            empty: Mutex::default(),
        }
    }

    /// Where the log of a stage is; what an earlier try wrote is in it.
    pub fn of(&self, stage: &str) -> PathBuf {
        log_file(&self.folder, stage)
    }

    /// Takes back a log that the stage's program has written to.
    pub fn let_go(&self, log: PathBuf) {
        if is_empty(&log) {
            lock(&self.empty).push(log);
        }
    }
}

fn is_empty(log: &Path) -> bool {
    fs::symlink_metadata(log).is_ok_and(|log| log.is_file() && log.len() == 0)
}

impl Drop for Logs {
    fn drop(&mut self) {
        for log in lock(&self.empty).drain(..) {
            if is_empty(&log) {
                let _ = fs::remove_file(log);
            }
        }
    }
}
