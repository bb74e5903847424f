//! Suggests the valid name that was probably meant.

use std::collections::HashSet;
use std::hash::Hash;

/// Maximum number of candidates that are compared, and their maximum length in bytes. A comparison takes time
/// and memory proportional to the product of both lengths.
const MAX_CANDIDATES: usize = 250;
const MAX_LENGTH: usize = 100;

/// Returns the candidate nearest to `name`, if it is near enough to be a typing error.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .take(MAX_CANDIDATES)
        .filter(|candidate| candidate.len().max(name.len()) <= MAX_LENGTH)
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= (candidate.len().max(name.len()) / 3).min(4))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Maximum number of names that a hint lists.
pub const LISTED: usize = 24;

/// Returns ``did you mean `epochs`?``, or else a list of the valid names, or `None` if there are none.
pub fn hint<'a>(
    what: &str,
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let candidates = distinct(candidates);
    if let Some(nearest) = nearest(name, candidates.iter().copied()) {
        return Some(format!("did you mean `{nearest}`?"));
    }
    list(what, candidates)
}

/// Returns a list of the valid names, or `None` if there are none.
pub fn list<'a>(what: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let candidates = distinct(names);
    match candidates.len() {
        0 => None,
        1..=LISTED => Some(format!("known {what}: {}", quoted(&candidates))),
        more => Some(format!(
            "known {what}: {}, and {} more",
            quoted(&candidates[..LISTED]),
            more - LISTED
        )),
    }
}

/// Returns each item once, in order of first occurrence.
pub fn distinct<T: Eq + Hash + Copy>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    let items = items.into_iter();
    items.filter(|&item| seen.insert(item)).collect()
}

/// Formats names as `` `a`, `b` ``.
pub fn quoted(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::{hint, nearest};

    #[test]
    fn typos_are_corrected_and_other_words_are_not() {
        let names = ["epochs", "batch_size", "lr"];
        assert_eq!(nearest("epoch", names), Some("epochs"));
        assert_eq!(nearest("epcohs", names), Some("epochs"));
        assert_eq!(nearest("batchsize", names), Some("batch_size"));
        assert_eq!(nearest("momentum", names), None);
        assert_eq!(nearest("data", ["path"]), None);
        assert_eq!(
            hint("parameters", "x", ["epochs"]).as_deref(),
            Some("known parameters: `epochs`")
        );
        assert_eq!(
            hint("stages", "x", ["alpha", "beta", "alpha"]).as_deref(),
            Some("known stages: `alpha`, `beta`")
        );
        assert_eq!(hint("parameters", "x", []), None);
    }
}
