//! Compares the values of a profile with those that `sweep promote` is about to write.

use std::collections::BTreeMap;

use contract::one_line;

/// Values of a profile by key, as they are written in a pipeline.
pub(super) struct Replaced {
    /// The values in the file.
    pub old: BTreeMap<String, String>,
    /// The values of the trial.
    pub new: BTreeMap<String, String>,
    /// The values that were last written by `sweep promote`.
    pub known: BTreeMap<String, String>,
}

impl Replaced {
    /// Returns the keys whose values differ, with the old and the new value.
    fn different(&self) -> impl Iterator<Item = (&String, &String, &String)> {
        let new = self.new.iter();
        let both = new.filter_map(|(key, new)| Some((key, self.old.get(key)?, new)));
        both.filter(|(_, old, new)| old != new)
    }

    /// Describes the values to be replaced that `sweep promote` did not write: `` `width` is 9, not 4``.
    pub(super) fn edited(&self) -> Option<String> {
        let edited = self
            .different()
            .filter(|(key, old, _)| self.known.get(*key) != Some(*old));
        listed(edited.map(|(key, old, new)| format!("`{key}` is {old}, not {new}")))
    }

    /// Describes all values that differ: `` `width`: 9 → 4``.
    pub(super) fn changed(&self) -> Option<String> {
        let different = self.different();
        listed(different.map(|(key, old, new)| format!("`{key}`: {old} → {new}")))
    }

    /// Returns the values of the profile that are now known to be written by `sweep promote`.
    pub(super) fn written(&self) -> BTreeMap<&String, &String> {
        self.known.iter().chain(&self.new).collect()
    }
}

/// Lists the first few of some descriptions, and the number of the others; `None` if there are none.
fn listed(descriptions: impl Iterator<Item = String>) -> Option<String> {
    const MOST: usize = 6;
    let all: Vec<String> = descriptions.collect();
    let first: Vec<_> = all.iter().take(MOST).map(|one| one_line(one)).collect();
    let more = match all.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!all.is_empty()).then(|| first.join(", ") + &more)
}

#[cfg(test)]
mod tests {
    use super::Replaced;

    fn replaced(old: &str, known: &str) -> Replaced {
        let values = |width: &str| {
            let width = (!width.is_empty()).then(|| ("width".to_owned(), width.to_owned()));
            width.into_iter().collect()
        };
        Replaced {
            old: values(old),
            new: values("4"),
            known: values(known),
        }
    }

    #[test]
    fn only_values_that_somebody_else_wrote_are_edited() {
        for (old, known, is_edited) in [
            ("", "", false),
            ("4", "", false),
            ("9", "9", false),
            ("9", "", true),
            ("9", "8", true),
        ] {
            let edited = replaced(old, known).edited();
            let expected = is_edited.then_some("`width` is 9, not 4");
            assert_eq!(edited.as_deref(), expected, "{old} {known}");
        }
        let changed = replaced("9", "9").changed();
        assert_eq!(changed.as_deref(), Some("`width`: 9 → 4"));
        assert_eq!(replaced("", "").changed(), None);
    }
}
