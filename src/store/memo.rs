//! Memos: small files that save time or explain misses. Results do not depend on them, so they are not
//! flushed to disk, and a memo that is damaged or cannot be read counts as absent. One exception: it is an error if
//! [`Memo::Verifications`] cannot be read (see `doubt.rs`).

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::files::{self, Found, component};
use super::sealed::{seal, unseal};
use super::{Error, Store};
use crate::keys::{Digest, Fingerprint};

/// Name of a memo.
#[derive(Clone, Copy, Debug)]
pub enum Memo<'a> {
    /// The fingerprint with which an instance of a pipeline last ran or was found cached.
    Last {
        pipeline: &'a str,
        instance: &'a str,
    },
    /// The run that last recorded metrics for a pipeline with a profile.
    RunMetrics {
        pipeline: &'a str,
        profile: Option<&'a str>,
    },
    /// The values that `sweep promote` wrote to a profile of a pipeline.
    Promoted { pipeline: &'a str, profile: &'a str },
    /// The files of a source, under its digest. Packed.
    Listing(&'a Digest),
    /// Stamps and digests of a source's files when they were last read, under a hash of the source's path. Packed.
    SourceIndex(&'a str),
    /// Number of verifications that found every blob right.
    Verifications,
    /// A program's answer to a version command, under the digests of the program's file and of the command.
    Version(&'a Digest, &'a Digest),
}

impl Memo<'_> {
    /// Returns its path, relative to `v1`.
    pub(super) fn path(self) -> PathBuf {
        match self {
            Self::Last { pipeline, instance } => Path::new("last")
                .join(component(pipeline))
                .join(component(instance) + ".json"),
            // A profile's name never begins with a dot.
            Self::RunMetrics { pipeline, profile } => Path::new("metrics")
                .join(component(pipeline))
                .join(profile.map_or(".json".to_owned(), |name| component(name) + ".json")),
            Self::Promoted { pipeline, profile } => Path::new("metrics")
                .join(component(pipeline))
                .join(format!(".promoted-{}.json", component(profile))),
            Self::Listing(digest) => Path::new("sources/listings").join(format!("{digest}.packed")),
            // Earlier formats are in `index` and are not read.
            Self::SourceIndex(name) => Path::new("sources/index-2").join(format!("{name}.packed")),
            Self::Verifications => PathBuf::from("verifications.json"),
            Self::Version(file, command) => {
                Path::new("sources/tools").join(format!("{file}-{command}.json"))
            }
        }
    }
}

impl Store {
    /// Returns the fingerprint with which an instance last ran or was found cached. It explains
    /// why the instance runs now.
    pub fn last_fingerprint(&self, pipeline: &str, instance: &str) -> Option<Fingerprint> {
        self.memo(Memo::Last { pipeline, instance })
    }

    /// Returns `true` if the instance has an earlier fingerprint to compare with.
    pub fn has_last(&self, pipeline: &str, instance: &str) -> bool {
        self.has_memo(Memo::Last { pipeline, instance })
    }

    pub fn set_last_fingerprint(
        &self,
        pipeline: &str,
        instance: &str,
        fingerprint: &Fingerprint,
    ) -> Result<(), Error> {
        self.set_memo(Memo::Last { pipeline, instance }, fingerprint)
    }

    pub fn memo<T: DeserializeOwned>(&self, name: Memo<'_>) -> Option<T> {
        match files::read(&self.home.join(name.path())) {
            Ok(Found::Bytes(bytes)) => unseal(&bytes).ok(),
            _ => None,
        }
    }

    /// Writes a memo, unless the file has this content already.
    pub fn set_memo<T: Serialize>(&self, name: Memo<'_>, memo: &T) -> Result<(), Error> {
        let bytes = seal(memo).map_err(|source| Error::Serialize {
            what: "a memo",
            source,
        })?;
        self.write_memo(name, &bytes)
    }

    pub(super) fn write_memo(&self, name: Memo<'_>, bytes: &[u8]) -> Result<(), Error> {
        let path = self.home.join(name.path());
        if matches!(files::read(&path), Ok(Found::Bytes(there)) if there == bytes) {
            return Ok(());
        }
        self.create_folder(path.parent().unwrap_or(&self.home))?;
        self.set_aside_foreign(&path)?;
        let fresh = self.session()?.fresh("memo");
        fs::write(&fresh, bytes).map_err(Error::io("write", &fresh))?;
        fs::rename(&fresh, &path).map_err(Error::io("write", &path))
    }

    /// Returns `true` if a memo exists; `false` also if this cannot be determined, because the memo could not be read
    /// either.
    pub fn has_memo(&self, name: Memo<'_>) -> bool {
        files::is(&self.home.join(name.path()), fs::Metadata::is_file).unwrap_or(false)
    }
}
