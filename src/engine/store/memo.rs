//! Memos: small files that save time or explain misses. Results do not depend on them, so they are not
//! flushed to disk, and a memo that is damaged or cannot be read counts as absent.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::files::{self, Found, component};
use super::sealed::{seal, unseal};
use super::{Error, Store};
use crate::keys::Fingerprint;

impl Store {
    /// Returns the fingerprint with which an instance last ran or was found cached. It explains
    /// why the instance runs now.
    pub fn last_fingerprint(&self, pipeline: &str, instance: &str) -> Option<Fingerprint> {
        self.memo(&last(pipeline, instance))
    }

    /// Whether the instance has an earlier fingerprint to compare with.
    pub fn has_last(&self, pipeline: &str, instance: &str) -> bool {
        self.has_memo(&last(pipeline, instance))
    }

    pub fn set_last_fingerprint(
        &self,
        pipeline: &str,
        instance: &str,
        fingerprint: &Fingerprint,
    ) -> Result<(), Error> {
        self.set_memo(&last(pipeline, instance), fingerprint)
    }

    /// Reads the memo at `path`, relative to `v1`.
    pub(crate) fn memo<T: DeserializeOwned>(&self, path: &Path) -> Option<T> {
        match files::read(&self.home.join(path)) {
            Ok(Found::Bytes(bytes)) => unseal(&bytes).ok(),
            _ => None,
        }
    }

    /// Writes a memo, unless the file has this content already.
    pub(crate) fn set_memo<T: Serialize>(&self, path: &Path, memo: &T) -> Result<(), Error> {
        let bytes = seal(memo).map_err(|source| Error::Serialise {
            what: "a memo",
            source,
        })?;
        self.write_memo(path, &bytes)
    }

    pub(super) fn write_memo(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let path = self.home.join(path);
        if matches!(files::read(&path), Ok(Found::Bytes(there)) if there == bytes) {
            return Ok(());
        }
        self.create_folder(path.parent().unwrap_or(&self.home))?;
        self.make_way(&path)?;
        let fresh = self.session()?.fresh("memo");
        fs::write(&fresh, bytes).map_err(Error::io("write", &fresh))?;
        fs::rename(&fresh, &path).map_err(Error::io("write", &path))
    }

    /// Whether the memo at `path`, relative to `v1`, exists. `false` if that cannot be found out:
    /// the memo would be useless.
    pub(crate) fn has_memo(&self, path: &Path) -> bool {
        files::is(&self.home.join(path), fs::Metadata::is_file).unwrap_or(false)
    }
}

fn last(pipeline: &str, instance: &str) -> PathBuf {
    Path::new("last")
        .join(component(pipeline))
        .join(component(instance) + ".json")
}
