//! The key `folds`: the number of folds of a cross-validation of the whole pipeline.

use contract::Fold;

use super::node::{Entry, Value};
use super::{Diagnostic, Place};

/// A number of folds, and its place.
#[derive(Clone, Debug)]
pub(crate) struct FoldCount {
    pub count: usize,
    pub place: Place,
}

/// Reads a number of folds, and reports a number that is out of range. Returns `None` for `null`, and without a report
/// for a value that is not a whole number, because decoding the document has reported that already.
pub(super) fn read(entry: &Entry, errors: &mut Vec<Diagnostic>) -> Option<FoldCount> {
    let Value::Number(number) = &entry.value.value else {
        return None;
    };
    let count = number.value.as_u64()?;
    let place = entry.value.place.clone();
    let (fewest, most) = (Fold::FEWEST, Fold::MOST);
    let in_range = usize::try_from(count).ok();
    if let Some(count) = in_range.filter(|count| (fewest..=most).contains(count)) {
        return Some(FoldCount { count, place });
    }
    let message = format!("`folds` is {count}; it must be between {fewest} and {most}");
    let hint = (count < 2).then(|| "remove it to train and test once".to_owned());
    errors.push(Diagnostic::at(&place, message).hint(hint));
    None
}

/// The error of `folds` in an included file.
pub(super) fn included(folds: &FoldCount) -> Diagnostic {
    let message = "`folds` is set in an included file, where it has no effect";
    let hint = "set `folds` at the top of the pipeline that includes the file";
    Diagnostic::at(&folds.place, message).hint(hint.to_owned())
}
