//! Decodes trees of [`Node`]s into typed values. Every error is reported at its place.

use contract::{Invalid, Segment};
use serde::de::DeserializeOwned;

use super::faults::{Fault, decode_all};
use super::{Diagnostic, Node, Place};

/// Decodes a node. `key` is the place of the key that leads to it.
///
/// # Errors
/// Returns all errors that were found, at least one.
pub(crate) fn decode<T: DeserializeOwned>(node: &Node, key: &Place) -> Result<T, Vec<Diagnostic>> {
    decode_all(node, key, "key", |node| {
        serde_path_to_error::deserialize(node).map_err(|error| {
            Fault::Form(Invalid {
                path: error.path().iter().filter_map(segment).collect(),
                ..Invalid::new(error.inner().to_string())
            })
        })
    })
}

fn segment(segment: &serde_path_to_error::Segment) -> Option<Segment> {
    use serde_path_to_error::Segment as Theirs;
    match segment {
        Theirs::Seq { index } => Some(Segment::Index(*index)),
        Theirs::Map { key } => Some(Segment::Key(key.clone())),
        Theirs::Enum { variant } => Some(Segment::Key(variant.clone())),
        Theirs::Unknown => None,
    }
}
