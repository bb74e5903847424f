//! Paths in the scratch folder.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use contract::{Invalid, ShowPath};

/// Checks that a path leads to something inside the scratch folder, not to the folder itself.
pub(super) fn check(path: &Path) -> Result<(), Invalid> {
    let is_plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    let names = path.components().filter(|part| *part != Component::CurDir);
    let text = path.to_string_lossy();
    if path.components().all(is_plain) && names.count() > 0 && !text.contains(char::is_control) {
        return Ok(());
    }
    Err(Invalid::new(format!(
        "`{text}` must be a relative path inside the scratch folder, without `..` or control characters"
    )))
}

/// Returns the normal spelling of a path that [`check`] accepts: `./d//o/` becomes `d/o`.
pub(super) fn normal(path: &Path) -> PathBuf {
    path.components()
        .filter(|part| *part != Component::CurDir)
        .collect()
}

/// Places in the scratch folder that are taken, ordered by path, so that the contents of a folder follow it.
#[derive(Default)]
pub(super) struct Places(BTreeMap<PathBuf, &'static str>);

impl Places {
    /// Takes a place for `what`. Returns an error if the place is taken, is inside a taken place or contains
    /// one, however the paths are spelled.
    pub(super) fn take(
        &mut self,
        path: &Path,
        what: &'static str,
        wrong: impl Fn(String) -> Invalid,
    ) -> Result<(), Invalid> {
        let place = normal(path);
        let inside = self.0.range(place.clone()..).next();
        let inside = inside.filter(|(other, _)| other.starts_with(&place));
        let around = || {
            place
                .ancestors()
                .find_map(|folder| self.0.get_key_value(folder))
        };
        if let Some((other, whose)) = inside.or_else(around) {
            let (ours, theirs) = (path.shown(), other.shown());
            return Err(wrong(if *other == place {
                format!("{what} `{ours}` and {whose} `{theirs}` have the same path")
            } else {
                format!(
                    "{what} `{ours}` and {whose} `{theirs}` overlap: one path is inside the other"
                )
            }));
        }
        self.0.insert(place, what);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use contract::Invalid;

    use super::{Places, check, normal};

    #[test]
    fn equal_and_nested_paths_are_refused() {
        let mut places = Places::default();
        let mut take = |path: &str| {
            let taken = places.take(Path::new(path), "the output", Invalid::new);
            taken.err().map(|invalid| invalid.message)
        };
        for free in ["a/b", "a/bc", "a.b", "b", "c/d/e/f"] {
            assert_eq!(take(free), None, "{free}");
        }
        for (path, words) in [
            ("./a//b", "have the same path"),
            ("a", "overlap: one path is inside the other"),
            ("a/b/c/d", "overlap: one path is inside the other"),
            ("c/d", "overlap: one path is inside the other"),
        ] {
            let refused = take(path).unwrap_or_default();
            assert!(refused.contains(words), "{path}: {refused}");
        }
        assert_eq!(take("c/d/e/g"), None);
    }

    #[test]
    fn a_path_has_one_spelling() {
        for spelling in ["d/o", "./d/o", "d//o", "d/./o", "d/o/", "././d/.//o/."] {
            assert_eq!(
                normal(Path::new(spelling)).to_str(),
                Some("d/o"),
                "{spelling}"
            );
        }
    }

    #[test]
    fn only_paths_that_stay_inside_are_accepted() {
        for path in ["a", "a/b.c", "./a", "a b", "é"] {
            assert!(check(Path::new(path)).is_ok(), "{path}");
        }
        for path in ["", ".", "/a", "..", "a/../b", "../a", "a\n"] {
            assert!(check(Path::new(path)).is_err(), "{path}");
        }
    }
}
