//! [`Graph`]: the entities of a crate.

use std::collections::HashSet;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

/// Characters of ids that are not percent-encoded.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// Entities in their order, each with its own id.
#[derive(Default)]
pub(super) struct Graph {
    entities: Vec<Value>,
    ids: HashSet<String>,
}

impl Graph {
    /// Adds an entity unless its id is known. Returns a reference to it.
    pub(super) fn add(&mut self, id: &str, kind: impl Into<Value>, fields: Value) -> Value {
        if self.ids.insert(id.to_owned()) {
            let mut entity = Map::new();
            entity.insert("@id".to_owned(), json!(id));
            entity.insert("@type".to_owned(), kind.into());
            if let Value::Object(fields) = fields {
                let known = fields.into_iter();
                let known = known.filter(|(_, value)| !is_empty(value));
                entity.extend(known.map(|(name, value)| (name, single(value))));
            }
            self.entities.push(Value::Object(entity));
        }
        reference(id)
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    pub(super) fn into_entities(self) -> Vec<Value> {
        self.entities
    }
}

/// Returns `true` if a value is empty. Entities have no properties with such values.
fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// A list of one value as this value, as RO-Crate recommends.
fn single(value: Value) -> Value {
    match value {
        Value::Array(mut values) if values.len() == 1 => values.remove(0),
        other => other,
    }
}

pub(super) fn reference(id: &str) -> Value {
    json!({ "@id": id })
}

/// A time in the form that the profiles recommend.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3f+00:00").to_string()
}

/// The id of a file or folder in the crate: a relative URI.
pub(super) fn path_id(path: &str) -> String {
    utf8_percent_encode(path, PLAIN).to_string()
}

/// The id of an entity that is no file: `#action/cnn%5Bmodel1%5D`.
pub(super) fn local_id(kind: &str, name: &str) -> String {
    format!("#{kind}/{}", path_id(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_an_offset() {
        let start: Timestamp = "2026-11-30T10:53:06.280400918Z".parse().unwrap();
        assert_eq!(time(start), "2026-11-30T10:53:06.280+00:00");
    }

    #[test]
    fn ids_are_uris_and_empty_properties_are_left_out() {
        assert_eq!(
            path_id("results/cnn[a b]/é"),
            "results/cnn%5Ba%20b%5D/%C3%A9"
        );
        assert_eq!(local_id("action", "a#b"), "#action/a%23b");
        let mut graph = Graph::default();
        graph.add(
            "a",
            "File",
            json!({ "name": "x", "error": null, "hasPart": [] }),
        );
        graph.add("a", "Other", json!({}));
        graph.add(
            "b",
            "Dataset",
            json!({ "hasPart": [1], "mentions": [1, 2] }),
        );
        let expected = json!([
            { "@id": "a", "@type": "File", "name": "x" },
            { "@id": "b", "@type": "Dataset", "hasPart": 1, "mentions": [1, 2] },
        ]);
        assert_eq!(Value::Array(graph.into_entities()), expected);
    }
}
