//! Names that are safe where another tool uses them.

use std::collections::HashSet;

/// Gives out names that differ from each other.
#[derive(Default)]
pub(crate) struct Distinct {
    taken: HashSet<String>,
}

impl Distinct {
    /// Returns `wanted`, or `wanted` with a number if the name is taken.
    pub(crate) fn take(&mut self, wanted: String) -> String {
        let mut name = wanted.clone();
        let mut number = 2;
        while !self.taken.insert(name.clone()) {
            name = format!("{wanted}-{number}");
            number += 1;
        }
        name
    }
}

/// Cuts a text after a number of characters, and shows that by `…`.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_get_numbers() {
        let mut names = Distinct::default();
        let taken = ["a", "a", "a-2", "a"].map(|name| names.take(name.to_owned()));
        assert_eq!(taken, ["a", "a-2", "a-2-2", "a-3"]);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
    }
}
