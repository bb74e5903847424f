//! Collects every error in a value as a diagnostic. The decoder stops at the first one, so each error is removed
//! from a copy and the copy is decoded again.
//!
//! A removal may cause another error, because the removed value is now missing. So the map or list that contained
//! the value is marked as *opened*. A further error of an opened map or list is not reported, unless it is an
//! unknown key. Instead, the map or list is removed as well, and its parent is opened.

use contract::{Invalid, Segment};

use super::node::Value;
use super::wording::{Reworded, reword};
use super::{Diagnostic, Node, Place};

/// Maximum number of errors that are collected from one value.
const MAX_ERRORS: usize = 20;

/// An error that the decoder found.
pub(crate) enum Fault {
    /// A value has the wrong type or form. No other value depends on it.
    Form(Invalid),
    /// Values of the right types do not fit together. Items of a list depend on one another, as layers do, so
    /// the whole list is removed.
    Fit(Invalid),
}

/// Decodes `node` with `read`. `key` is the place of the key that leads to the node, and `noun` is what its
/// keys are called.
///
/// # Errors
/// Returns all errors that were found, at least one.
pub(crate) fn decode_all<T>(
    node: &Node,
    key: &Place,
    noun: &str,
    read: impl Fn(&Node) -> Result<T, Fault>,
) -> Result<T, Vec<Diagnostic>> {
    let mut fault = match read(node) {
        Ok(value) => return Ok(value),
        Err(fault) => fault,
    };
    let mut rest = node.clone();
    let mut found = Vec::new();
    let mut opened: Vec<Vec<Segment>> = Vec::new();
    for _ in 0..MAX_ERRORS {
        let (Fault::Form(invalid) | Fault::Fit(invalid)) = &fault;
        let mut path = rest.existing(&invalid.path).to_vec();
        let unknown = reword(&invalid.message, noun).unknown;
        if unknown.is_some() || !opened.contains(&path) {
            found.push(diagnose(&rest, key, invalid, noun));
        }
        if let Some(name) = unknown.filter(|name| at(&mut rest, &path).entry(name).is_some()) {
            path.push(Segment::Key(name));
        }
        if let Fault::Fit(_) = fault {
            let is_index = |segment: &Segment| matches!(segment, Segment::Index(_));
            path.truncate(path.iter().position(is_index).unwrap_or(path.len()));
        }
        let Some((last, parent)) = path.split_last() else {
            break;
        };
        remove(at(&mut rest, parent), last);
        opened.retain(|opened| !opened.starts_with(&path));
        opened.push(parent.to_vec());
        fault = match read(&rest) {
            Ok(_) => break,
            Err(fault) => fault,
        };
    }
    Err(found)
}

/// Creates the diagnostic for an invalid value, at the deepest part of its path that exists. `noun` is what the
/// keys are called: `key` or `parameter`.
pub(crate) fn diagnose(node: &Node, key: &Place, invalid: &Invalid, noun: &str) -> Diagnostic {
    let Reworded {
        message,
        hint,
        unknown,
    } = reword(&invalid.message, noun);
    let located = node.locate(key, &invalid.path);
    let place = match &unknown {
        None => located.place(),
        // The value itself is the unknown name: it must be one of several names.
        Some(name) if located.node.as_text() == Some(name) => located.place(),
        // An unknown key, which the path may or may not include.
        Some(name) => match located.node.entry(name) {
            Some(entry) => entry.key_place.clone(),
            None => located.key_place(),
        },
    };
    let mut diagnostic = Diagnostic::at(&place, message).hint(invalid.hint.clone().or(hint));
    if let Some(replaced_at) = &located.replaced_at {
        diagnostic = diagnostic.note(format!("used as `{}` at {replaced_at}", replaced_at.text()));
    }
    diagnostic
}

/// Returns the node at a path, or the deepest node on the path that exists.
fn at<'a>(node: &'a mut Node, path: &[Segment]) -> &'a mut Node {
    let Some((first, rest)) = path.split_first() else {
        return node;
    };
    // Check first: a mutable borrow that may be returned would last for the rest of the function.
    if node.child(first).is_none() {
        return node;
    }
    let child = match (&mut node.value, first) {
        (Value::Map(entries), Segment::Key(key)) => entries
            .iter_mut()
            .find(|entry| entry.key == *key)
            .map(|entry| &mut entry.value),
        (Value::List(items), Segment::Index(index)) => items.get_mut(*index),
        _ => None,
    };
    at(child.expect("the child exists, as checked above"), rest)
}

fn remove(parent: &mut Node, child: &Segment) {
    match (&mut parent.value, child) {
        (Value::Map(entries), Segment::Key(key)) => entries.retain(|entry| entry.key != *key),
        (Value::List(items), Segment::Index(index)) if *index < items.len() => {
            items.remove(*index);
        }
        _ => {}
    }
}
