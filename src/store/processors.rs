//! The kinds of processors that computed results in the store.
//!
//! Results of a stage that computes depend on the kind of processor, so the kind is part of its keys. A plan that may
//! use the results of other kinds computes their keys from the names that are listed here.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use contract::lock;

use super::files::{self, is_absence};
use super::{ActionRecord, Error, Store};

/// Results that are hits for a stage that computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matching {
    /// Those of the same kind of processor.
    #[default]
    Same,
    /// Those of every kind.
    Any,
}

/// Longest name of a kind of processor, in bytes. The name may hold several models of GPUs.
const LONGEST: usize = 200;

/// Returns whether `name` can be the name of a kind of processor: lowercase letters, digits and `-`.
pub fn is_processor(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=LONGEST).contains(&name.len()) && name.chars().all(is_plain)
}

impl Store {
    /// Sets which results are hits.
    pub fn set_matching(&mut self, matching: Matching) {
        self.matching = matching;
    }

    /// Returns which results are hits.
    pub fn matching(&self) -> Matching {
        self.matching
    }

    /// Returns the kinds of processors that computed results in the store, sorted.
    pub fn processors(&self) -> Result<BTreeSet<String>, Error> {
        let folder = self.processors_folder();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if is_absence(&error) => return Ok(BTreeSet::new()),
            Err(error) => return Err(Error::io("read", &folder)(error)),
        };
        let mut found = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(Error::io("read", &folder))?.file_name();
            found.extend(name.into_string().ok().filter(|name| is_processor(name)));
        }
        Ok(found)
    }

    /// Lists the kind of processor of a record. Call this before the record is stored.
    pub(super) fn list_processor(&self, record: &ActionRecord) -> Result<(), Error> {
        let Some(name) = &record.fingerprint.processor else {
            return Ok(());
        };
        let mut listed = lock(&self.listed_processors);
        if listed.contains(name) || !is_processor(name) {
            return Ok(());
        }
        let folder = self.processors_folder();
        let file = folder.join(name);
        self.create_folder(&folder)?;
        if !files::exists(&file).map_err(Error::io("access", &file))? {
            self.put(&file, b"")?;
        }
        listed.insert(name.clone());
        Ok(())
    }

    fn processors_folder(&self) -> PathBuf {
        self.home.join("processors")
    }
}
