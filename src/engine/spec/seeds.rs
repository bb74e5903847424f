//! `seeds: 5`: how often something is repeated, each time with another seed.

use super::node::{Entry, Value};
use super::{Diagnostic, Place};

/// The most that make sense.
const MOST: usize = 1_000;

/// A number of seeds, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct SeedCount {
    pub count: usize,
    pub place: Place,
}

/// Reads it; one out of range is reported, one that is no number was when its key was decoded.
pub(super) fn read(entry: &Entry, errors: &mut Vec<Diagnostic>) -> Option<SeedCount> {
    let Value::Number(number) = &entry.value.value else {
        return None;
    };
    let count = number
        .value
        .as_u64()
        .and_then(|count| usize::try_from(count).ok())?;
    let place = entry.value.place.clone();
    if !(1..=MOST).contains(&count) {
        let message = format!("`seeds` is {count}, not 1 to {MOST}");
        errors.push(Diagnostic::at(&place, message));
        return None;
    }
    Some(SeedCount { count, place })
}
