//! The key `seeds`: the number of repetitions of a pipeline, stage or trial, each with a different seed.

use super::node::{Entry, Value};
use super::{Diagnostic, Place};

/// Largest accepted number of seeds.
const MAX_SEEDS: usize = 1_000;

/// A number of seeds, and its place.
#[derive(Clone, Debug)]
pub(crate) struct SeedCount {
    pub count: usize,
    pub place: Place,
}

/// Reads a number of seeds, and reports a number that is out of range. Returns `None` without a report if the value
/// is not a whole number, because decoding the surrounding map has reported that already.
pub(super) fn read(entry: &Entry, errors: &mut Vec<Diagnostic>) -> Option<SeedCount> {
    let Value::Number(number) = &entry.value.value else {
        return None;
    };
    let count = number
        .value
        .as_u64()
        .and_then(|count| usize::try_from(count).ok())?;
    let place = entry.value.place.clone();
    if !(1..=MAX_SEEDS).contains(&count) {
        let message = format!("`seeds` is {count}; it must be between 1 and {MAX_SEEDS}");
        errors.push(Diagnostic::at(&place, message));
        return None;
    }
    Some(SeedCount { count, place })
}
