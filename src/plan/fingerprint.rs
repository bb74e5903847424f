//! Everything that can change a stage's result, as plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stages::contract::DeviceClass;

use crate::store::{Digest, Key};

/// The pre-image of a key.
///
/// Not in it: the stage's name, its place in the file, paths, resources, threads, time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Version of the artifacts' files.
    pub format: u32,
    pub kind: String,
    /// Version of the kind's results.
    pub version: u32,
    /// Canonical: defaults filled in, sources as `{"$source": "<digest>"}`.
    pub params: Value,
    pub seed: u64,
    pub device: DeviceClass,
    /// By role; within a role in the order of the file.
    pub inputs: BTreeMap<String, Vec<InputId>>,
}

/// What an input is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputId {
    /// What makes it: known before anything runs.
    Action { key: Key, port: String },
    /// What it holds: known once it is made.
    Content { digest: Digest },
}

impl Fingerprint {
    /// The one serialisation that is hashed: JSON without white space, every object's keys sorted,
    /// lists in their order, numbers as given.
    pub(super) fn canonical_bytes(&self) -> Vec<u8> {
        // A plain struct of strings, numbers and maps with string keys cannot fail to serialise.
        let mut value = serde_json::to_value(self).expect("a fingerprint has a JSON form");
        value.sort_all_objects();
        value.to_string().into_bytes()
    }
}
