//! Flushes written files to disk. Flushing many at once costs little more than flushing one.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use contract::lock;

use super::files::sync;
use super::{Error, Store};

/// Up to this many files and folders are flushed individually. If there are more, the whole file system is
/// flushed, including the writes of other programs.
const FEW: usize = 8;

impl Store {
    /// Remembers files and folders that must be flushed before a record names them. Flushing a folder flushes
    /// its entries, not the files in it.
    pub(super) fn to_flush(&self, paths: impl IntoIterator<Item = PathBuf>) {
        lock(&self.unflushed).extend(paths);
    }

    /// Flushes everything that `to_flush` remembered.
    pub(super) fn flush(&self) -> Result<(), Error> {
        // A thread that finds the list empty must not return before the thread that took
        // the list has flushed it.
        let _flushing = lock(&self.flushing);
        let paths = {
            let mut unflushed = lock(&self.unflushed);
            std::mem::take(&mut *unflushed)
        };
        let flushed = self.flush_all(&paths);
        if flushed.is_err() {
            self.to_flush(paths);
        }
        flushed
    }

    fn flush_all(&self, paths: &BTreeSet<PathBuf>) -> Result<(), Error> {
        if paths.len() > FEW && self.flush_file_system()? {
            return Ok(());
        }
        for path in paths {
            match sync(path) {
                // The file was found damaged and set aside. A stage that needs it finds it missing.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.map_err(Error::io("flush", path))?,
            }
        }
        Ok(())
    }

    /// Flushes the store's whole file system. Returns whether the system can do that.
    #[cfg(target_os = "linux")]
    fn flush_file_system(&self) -> Result<bool, Error> {
        // `syncfs` reports only errors that occurred after its descriptor was opened. The session opens its
        // lock file before anything is written, so the descriptor of that file is used.
        let session = self.session()?;
        rustix::fs::syncfs(session.lock())
            .map(|()| true)
            .map_err(|errno| Error::io("flush", &self.home)(errno.into()))
    }

    #[cfg(not(target_os = "linux"))]
    fn flush_file_system(&self) -> Result<bool, Error> {
        Ok(false)
    }
}

/// Returns the folder that holds a file of the store.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new(".")).to_owned()
}
