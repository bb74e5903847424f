//! Paths in the scratch folder.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::contract::Invalid;

/// A path must lead into the scratch folder, and to something in it.
pub fn check(path: &Path) -> Result<(), Invalid> {
    let is_plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    let names = path.components().filter(|part| *part != Component::CurDir);
    let text = path.to_string_lossy();
    if path.components().all(is_plain) && names.count() > 0 && !text.contains(char::is_control) {
        return Ok(());
    }
    Err(Invalid::new(format!(
        "`{text}` is no path in the folder that the program runs in"
    )))
}

/// The one spelling of a path that [`check`] takes: `./d//o/` is `d/o`.
pub fn normal(path: &Path) -> PathBuf {
    path.components()
        .filter(|part| *part != Component::CurDir)
        .collect()
}

/// The places that are taken in the scratch folder, and for what.
#[derive(Default)]
pub struct Places(BTreeMap<PathBuf, &'static str>);

impl Places {
    /// Takes a place for `what`. None may be another's, or lie in another, however they are spelled.
    pub fn take(
        &mut self,
        path: &Path,
        what: &'static str,
        wrong: impl Fn(String) -> Invalid,
    ) -> Result<(), Invalid> {
        let place = normal(path);
        let above = place.ancestors().find_map(|at| self.0.get_key_value(at));
        // What lies in a folder sorts right behind it.
        let below = self.0.range(place.clone()..).next();
        let below = below.filter(|(other, _)| other.starts_with(&place));
        if let Some((other, whose)) = above.or(below) {
            let (ours, theirs) = (path.display(), other.display());
            return Err(wrong(if *other == place {
                format!("{what} `{ours}` would be at the place of {whose} `{theirs}`")
            } else {
                format!("{what} `{ours}` and {whose} `{theirs}` would lie in one another")
            }));
        }
        self.0.insert(place, what);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{check, normal};

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
    fn only_paths_that_stay_inside_are_taken() {
        for path in ["a", "a/b.c", "./a", "a b", "é"] {
            assert!(check(Path::new(path)).is_ok(), "{path}");
        }
        for path in ["", ".", "/a", "..", "a/../b", "../a", "a\n"] {
            assert!(check(Path::new(path)).is_err(), "{path}");
        }
    }
}
