//! Getting what was written onto the disk: many files at once cost little more than one.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::files::sync;
use super::{Error, Store};

/// Files and folders up to which each is flushed by itself; more, and their whole file system is,
/// along with what others have written to it.
const FEW: usize = 8;

impl Store {
    /// Remembers a file, or a folder's entries, that is to be on disk before a record names it.
    pub(super) fn to_flush(&self, paths: impl IntoIterator<Item = PathBuf>) {
        self.unflushed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(paths);
    }

    /// Puts all that is to be flushed on disk.
    pub(super) fn flush(&self) -> Result<(), Error> {
        // Who finds nothing left to flush must not go on before whoever took it is done.
        let _flushing = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        let paths = {
            let mut unflushed = self
                .unflushed
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
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
                // Set aside by whoever found it damaged; whoever needs it will miss it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.map_err(Error::io("flush", path))?,
            }
        }
        Ok(())
    }

    /// Flushes the store's whole file system, where that can be done.
    #[cfg(target_os = "linux")]
    fn flush_file_system(&self) -> Result<bool, Error> {
        // Of the session, so that an error since then is told of.
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

/// The folder that a file of the store is in.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new(".")).to_owned()
}
