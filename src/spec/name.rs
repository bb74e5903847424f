//! What a pipeline and its parts may be called.

use super::node::Entry;
use super::{Diagnostic, Place};

/// The longest name, and the longest value of an axis, in bytes: both become names of folders.
pub const LONGEST_NAME: usize = 64;

/// Reports a name that is none.
pub fn check_name(name: &str, what: &str, place: &Place, errors: &mut Vec<Diagnostic>) {
    let first = |char: char| char.is_ascii_alphabetic() || char == '_';
    let rest = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
    if !name.starts_with(first) || !name.chars().all(rest) || name.len() > LONGEST_NAME {
        errors.push(Diagnostic::at(place, format!("`{name}` is no name for {what}")).hint(format!(
            "a name has letters, digits, `_` and `-`, starts with a letter or `_`, and is at most {LONGEST_NAME} long"
        )));
    }
}

/// Reports keys that are no names.
pub fn check_names(entries: &[Entry], what: &str, errors: &mut Vec<Diagnostic>) {
    for entry in entries {
        check_name(&entry.key, what, &entry.key_place, errors);
    }
}
