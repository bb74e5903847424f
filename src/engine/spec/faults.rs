//! All that is wrong with a value, where whoever reads it stops at the first fault: what is wrong is
//! taken out of a copy, and the copy is read again.
//!
//! Something that is taken out may be missed, and that is no fault of its own. So a map or list is
//! *opened* once something was taken out of it, and whatever it lacks from then on is not told; it is
//! taken out itself, and what is around it is opened.

use contract::{Invalid, Segment};

use super::node::Value;
use super::wording::reword;
use super::{Diagnostic, Node, Place, diagnose};

/// Faults that are looked for in one value; whoever makes more knows by then.
const MOST: usize = 20;

/// What a reader found wrong.
pub enum Fault {
    /// A value is none of its type. Nothing else depends on that.
    Form(Invalid),
    /// Values of the right types do not fit. Items of a list depend on one another, as layers do: the
    /// list is taken out as a whole.
    Fit(Invalid),
}

/// Reads `node` with `read`. `key` is the place of the key that leads to it, `noun` what its keys are
/// called.
///
/// # Errors
/// At least one.
pub fn read<T>(
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
    for _ in 0..MOST {
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
        take_out(at(&mut rest, parent), last);
        opened.retain(|opened| !opened.starts_with(&path));
        opened.push(parent.to_vec());
        fault = match read(&rest) {
            Ok(_) => break,
            Err(fault) => fault,
        };
    }
    Err(found)
}

/// The node that a path leads to, all of which exists.
fn at<'a>(node: &'a mut Node, path: &[Segment]) -> &'a mut Node {
    let Some((first, rest)) = path.split_first() else {
        return node;
    };
    // Asked first: what is borrowed for a result is borrowed for all that follows.
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
    at(child.expect("it was there just now"), rest)
}

fn take_out(parent: &mut Node, child: &Segment) {
    match (&mut parent.value, child) {
        (Value::Map(entries), Segment::Key(key)) => entries.retain(|entry| entry.key != *key),
        (Value::List(items), Segment::Index(index)) if *index < items.len() => {
            items.remove(*index);
        }
        _ => {}
    }
}
