//! The fingerprint: everything that can change a stage's result, as plain data.

use std::collections::BTreeMap;
use std::fmt;

use contract::{Device, IndexEntry};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Digest, Key};

/// The data from which a key is hashed.
///
/// It leaves out the stage's name, its place in the file, paths, resources, threads and time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Version of the format of the artifacts' files.
    pub format: u32,
    pub kind: String,
    /// Version of the kind's results.
    pub version: u32,
    /// Canonical: defaults filled in, sources as `{"$source": "<digest>"}`.
    pub params: Value,
    pub seed: u64,
    pub device: Device,
    /// Kind of the processor that computes: of the CPU, or models of GPUs. `None` for kinds that do not compute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
    /// Programs that the stage runs, by their names in the pipeline.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, ToolId>,
    /// By role; within a role, in the order of the pipeline file.
    pub inputs: BTreeMap<String, Vec<InputId>>,
    /// Entries of the index that a program finds for each role, in the order of `inputs`. A role
    /// without an index is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub index: BTreeMap<String, Vec<IndexEntry>>,
}

/// Identity of an input.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputId {
    /// The action that makes it; known before anything runs.
    Action { key: Key, port: String },
    /// Digest of its content; known once it is made.
    Content { digest: Digest },
}

/// Identity of a program in a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToolId {
    /// Digest of its file.
    Content(Digest),
    /// Answer of its version command.
    Version(String),
    /// The version command has not been run yet. Only `runner run` runs it.
    Unknown,
    /// The program does not exist.
    Missing,
}

impl fmt::Display for ToolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(digest) => write!(f, "content {}", digest.short()),
            Self::Version(answer) => f.write_str(answer.lines().next().unwrap_or_default()),
            Self::Unknown => f.write_str("unknown until run"),
            Self::Missing => f.write_str("not found"),
        }
    }
}

impl Fingerprint {
    /// Returns the one serialization that is hashed: JSON without white space, with the keys of every object
    /// sorted, lists in their order, and numbers as given.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        self.canonical_bytes_with(&self.inputs)
    }

    /// Like `canonical_bytes`, with other inputs.
    pub fn canonical_bytes_with(&self, inputs: &BTreeMap<String, Vec<InputId>>) -> Vec<u8> {
        let Self {
            format,
            kind,
            version,
            params,
            seed,
            device,
            processor,
            tools,
            inputs: _,
            index,
        } = self;
        let sorted;
        let params = if is_sorted(params) {
            params
        } else {
            let mut copy = params.clone();
            copy.sort_all_objects();
            sorted = copy;
            &sorted
        };
        let canonical = Canonical {
            device,
            format,
            index,
            inputs,
            kind,
            params,
            processor,
            seed,
            tools,
            version,
        };
        // A plain struct of strings, numbers and maps with string keys can always be serialized.
        serde_json::to_vec(&canonical).expect("a fingerprint can be serialized")
    }
}

/// A fingerprint with its fields sorted by name.
#[derive(Serialize)]
struct Canonical<'a> {
    device: &'a Device,
    format: &'a u32,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    index: &'a BTreeMap<String, Vec<IndexEntry>>,
    inputs: &'a BTreeMap<String, Vec<InputId>>,
    kind: &'a str,
    params: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    processor: &'a Option<String>,
    seed: &'a u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tools: &'a BTreeMap<String, ToolId>,
    version: &'a u32,
}

/// Returns whether the keys of all objects in a value are sorted.
fn is_sorted(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(is_sorted),
        Value::Object(entries) => entries.keys().is_sorted() && entries.values().all(is_sorted),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_hashed_bytes_are_the_sorted_json_of_all_fields() {
        let key = |text: &str| Key::derive("test", text.as_bytes());
        let action = InputId::Action {
            key: key("a"),
            port: "out".to_owned(),
        };
        let content = InputId::Content {
            digest: Digest::derive("test", b"b"),
        };
        let entry = IndexEntry {
            axes: BTreeMap::from([("sample".to_owned(), "A".to_owned())]),
            instance: "count[A]".to_owned(),
            path: "sample=A".to_owned(),
        };
        for params in [
            json!({ "a": { "c": 1, "d": [{ "x": 0.5, "y": "é" }] }, "b": null }),
            json!({ "b": [{ "z": 1, "a": 2 }], "a": {} }),
        ] {
            let fingerprint = Fingerprint {
                format: 1,
                kind: "alpha".to_owned(),
                version: 2,
                params,
                seed: u64::MAX,
                device: Device::Cpu,
                processor: Some("x86-avx2".to_owned()),
                tools: BTreeMap::from([("sh".to_owned(), ToolId::Version("5".to_owned()))]),
                inputs: BTreeMap::from([("in".to_owned(), vec![action.clone(), content.clone()])]),
                index: BTreeMap::from([("in".to_owned(), vec![entry.clone(), entry.clone()])]),
            };
            let mut value = serde_json::to_value(&fingerprint).unwrap();
            value.sort_all_objects();
            assert_eq!(
                fingerprint.canonical_bytes(),
                value.to_string().into_bytes()
            );
        }
    }
}
