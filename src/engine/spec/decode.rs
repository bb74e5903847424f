//! Decodes trees into typed values. Every error is reported at its place.

use contract::{Invalid, Segment};
use serde::de::DeserializeOwned;

use super::faults::{self, Fault};
use super::wording::{Reworded, reword};
use super::{Diagnostic, Node, Place};

/// Decodes a node. `key` is the place of the key that leads to it.
///
/// # Errors
/// Returns all errors that were found, at least one.
pub fn decode<T: DeserializeOwned>(node: &Node, key: &Place) -> Result<T, Vec<Diagnostic>> {
    faults::read(node, key, "key", |node| {
        serde_path_to_error::deserialize(node.to_yaml()).map_err(|error| {
            Fault::Form(Invalid {
                path: error.path().iter().filter_map(segment).collect(),
                ..Invalid::new(error.inner().to_string())
            })
        })
    })
}

/// Creates the diagnostic for an invalid value. If its path does not exist, the deepest part that does is
/// shown. `noun` is what the keys are called: `key` or `parameter`.
pub fn diagnose(node: &Node, key: &Place, invalid: &Invalid, noun: &str) -> Diagnostic {
    let Reworded {
        message,
        hint,
        unknown,
    } = reword(&invalid.message, noun);
    let located = node.locate(key, &invalid.path);
    let place = match &unknown {
        None => located.place(),
        // An unknown name where a value is one of several names.
        Some(name) if located.node.as_text() == Some(name) => located.place(),
        // An unknown key, which the path may or may not include.
        Some(name) => match located.node.entry(name) {
            Some(entry) => entry.key_place.clone(),
            None => located.key_place(),
        },
    };
    let mut diagnostic = Diagnostic::at(&place, message).hint(invalid.hint.clone().or(hint));
    if let Some(used) = &located.used {
        diagnostic = diagnostic.note(format!("used as `{}` at {used}", used.text()));
    }
    diagnostic
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
