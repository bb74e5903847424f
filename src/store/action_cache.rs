//! The action cache: maps keys to records of finished actions.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use contract::Position;
use serde::{Deserialize, Serialize};

use super::files::{self, Found, sync};
use super::sealed::{Damaged, seal, unseal};
use super::{Error, Store};
use crate::keys::Fingerprint;
use crate::keys::{Digest, Key};

/// Record of a finished action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionRecord {
    pub action_key: Key,
    pub content_key: Key,
    /// The fingerprint that `action_key` is the hash of.
    pub fingerprint: Fingerprint,
    /// Digest of the tree of every output port.
    pub outputs: BTreeMap<String, Digest>,
    /// Wall-clock time of the stage in seconds.
    pub seconds: f64,
    /// CPU time of the stage in seconds, over all its threads.
    pub cpu_seconds: f64,
    pub peak_memory_mib: f64,
    /// Remarks of the stage that are kept with its result.
    pub notes: Vec<String>,
    /// Warnings about the outputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The checkpoint from which the stage resumed. Times and memory cover only what ran after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Position>,
    /// Time at which it finished, as RFC 3339.
    pub finished: String,
    /// Version of the runner that ran it.
    pub runner: String,
    #[serde(default)]
    pub inputs: InputsCheck,
}

/// `true` if a stage's inputs held the right bytes for as long as the stage could read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputsCheck {
    Sure,
    /// They were right before and after the stage ran. `verifications` is the number of complete
    /// verifications of the store by then.
    Unsure {
        verifications: u64,
    },
}

impl Default for InputsCheck {
    /// The value for records that do not have the field.
    fn default() -> Self {
        Self::Unsure { verifications: 0 }
    }
}

/// Result of looking up a key in the action cache.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    Hit(Box<ActionRecord>),
    /// No record.
    Absent,
    /// A record that is torn or edited, or belongs to another key.
    Damaged,
    /// A record with an output that is not completely in the store.
    OutputMissing {
        port: String,
    },
}

impl ActionRecord {
    /// Returns the record of an equal action with another fingerprint.
    pub fn under(&self, action_key: Key, fingerprint: &Fingerprint) -> Self {
        Self {
            action_key,
            fingerprint: fingerprint.clone(),
            ..self.clone()
        }
    }

    /// Decodes the record stored under `key`.
    ///
    /// # Errors
    /// If the record is torn or edited, or belongs to another key.
    pub fn decode(bytes: &[u8], key: &Key) -> Result<Self, Damaged> {
        let record: Self = unseal(bytes)?;
        if [record.action_key, record.content_key].contains(key) {
            Ok(record)
        } else {
            Err(Damaged)
        }
    }
}

impl Store {
    /// Returns the record under an action key or a content key if it is sound and its outputs are in the
    /// store with the right sizes. A record for which this is not true is set aside.
    pub fn lookup(&self, key: &Key) -> Result<Option<ActionRecord>, Error> {
        match self.examine(key)? {
            Lookup::Hit(record) => Ok(Some(*record)),
            Lookup::Absent => Ok(None),
            Lookup::Damaged | Lookup::OutputMissing { .. } => {
                self.set_aside(&self.record_path(key))?;
                Ok(None)
            }
        }
    }

    /// Like `lookup`, but tells the misses apart and changes nothing.
    pub fn examine(&self, key: &Key) -> Result<Lookup, Error> {
        let path = self.record_path(key);
        let bytes = match files::read(&path).map_err(Error::io("read", &path))? {
            Found::Bytes(bytes) => bytes,
            Found::Missing => return Ok(Lookup::Absent),
            Found::Foreign => return Ok(Lookup::Damaged),
        };
        let Ok(record) = ActionRecord::decode(&bytes, key) else {
            return Ok(Lookup::Damaged);
        };
        for (port, digest) in &record.outputs {
            let complete = match self.peek_tree(digest) {
                Ok(tree) => {
                    self.remember_tree(&tree);
                    self.is_complete(&tree)?
                }
                Err(Error::Tree { .. }) => false,
                Err(error) => return Err(error),
            };
            if !complete {
                return Ok(Lookup::OutputMissing { port: port.clone() });
            }
        }
        Ok(Lookup::Hit(Box::new(record)))
    }

    /// Stores the records of actions whose outputs were ingested, each under both of its keys. Several records
    /// cost little more than one. The records and everything that they name are flushed to disk before the records
    /// are renamed into place.
    pub(super) fn record_all<'r>(
        &self,
        records: impl IntoIterator<Item = &'r ActionRecord>,
    ) -> Result<(), Error> {
        let session = self.session()?;
        let mut written = Vec::new();
        for record in records {
            self.list_processor(record)?;
            let bytes = seal(record).map_err(not_serialized)?;
            // Two files rather than two links to one: damage to one of them leaves the other intact.
            for key in [&record.content_key, &record.action_key] {
                let fresh = session.fresh("record");
                fs::write(&fresh, &bytes).map_err(Error::io("write", &fresh))?;
                self.to_flush([fresh.clone()]);
                written.push((fresh, self.record_path(key)));
            }
        }
        self.flush()?;
        for (fresh, path) in &written {
            self.set_aside_foreign(path)?;
            fs::rename(fresh, path).map_err(Error::io("write", path))?;
        }
        let actions = self.home.join("actions");
        sync(&actions).map_err(Error::io("flush", &actions))
    }

    /// Stores a copy of `record`, which was found by its content key, under another action key: that of
    /// `fingerprint`. The next plan then finds it before anything upstream is known. Returns the copy.
    pub fn alias(
        &self,
        record: &ActionRecord,
        action_key: Key,
        fingerprint: &Fingerprint,
    ) -> Result<ActionRecord, Error> {
        let record = record.under(action_key, fingerprint);
        if self.keep_remote_under(&record)? {
            return Ok(record);
        }
        // Its outputs may have been made a moment ago and may not be flushed yet.
        self.flush()?;
        self.write_record(&action_key, &record)?;
        Ok(record)
    }

    fn write_record(&self, key: &Key, record: &ActionRecord) -> Result<(), Error> {
        self.list_processor(record)?;
        let bytes = seal(record).map_err(not_serialized)?;
        self.put(&self.record_path(key), &bytes)
    }

    pub(super) fn record_path(&self, key: &Key) -> PathBuf {
        self.home.join("actions").join(format!("{key}.json"))
    }
}

fn not_serialized(source: serde_json::Error) -> Error {
    Error::Serialize {
        what: "an action record",
        source,
    }
}
