//! Paths in the scratch folder.

use std::path::{Component, Path};

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

/// The places that are taken in the scratch folder.
#[derive(Default)]
pub struct Places<'a>(Vec<(&'a Path, &'static str)>);

impl<'a> Places<'a> {
    /// Takes a place for `what`. None may be another's, or lie in another.
    pub fn take(
        &mut self,
        path: &'a Path,
        what: &'static str,
        wrong: impl Fn(String) -> Invalid,
    ) -> Result<(), Invalid> {
        let overlap = |other: &Path| path.starts_with(other) || other.starts_with(path);
        if let Some((other, whose)) = self.0.iter().find(|(other, _)| overlap(other)) {
            return Err(wrong(format!(
                "{what} `{}` and {whose} `{}` would lie in one another",
                path.display(),
                other.display()
            )));
        }
        self.0.push((path, what));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::check;

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
