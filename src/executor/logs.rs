//! What programs of the user's write to their standard output and error.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::log_file;

/// The logs in a run's folder, one for each stage that wrote something.
#[derive(Debug)]
pub(super) struct Logs {
    folder: PathBuf,
    /// Empty ones. Making and removing one for every stage is slow where the last one's inode may not
    /// be used again for a while.
    spare: Mutex<Vec<PathBuf>>,
}

impl Logs {
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            spare: Mutex::default(),
        }
    }

    /// The log of a stage; what an earlier try wrote is still in it.
    pub fn take(&self, stage: &str) -> io::Result<PathBuf> {
        let log = log_file(&self.folder, stage);
        let mut spare = self.spare();
        if let Some(own) = spare.iter().position(|spare| *spare == log) {
            spare.swap_remove(own);
        } else if !log.exists()
            && let Some(other) = spare.pop()
        {
            fs::rename(other, &log)?;
        }
        Ok(log)
    }

    /// Takes back a log that nobody writes to any more.
    pub fn let_go(&self, log: PathBuf) {
        if fs::metadata(&log).is_ok_and(|log| log.len() == 0) {
            self.spare().push(log);
        }
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<PathBuf>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        for log in self.spare().drain(..) {
            let _ = fs::remove_file(log);
        }
    }
}
