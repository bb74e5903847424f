//! Quoting for the shell. Every text in a batch script that is not the site's own code goes through [`word`].

use std::path::Path;

use crate::Error;

/// Returns `text` as one word of a POSIX shell: in single quotes, in which only a single quote is special.
pub(crate) fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Returns `words`, each quoted, with a space after each.
pub(crate) fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|text| word(text) + " ").collect()
}

/// Returns a path as text that fits on one line.
///
/// # Errors
/// If the path is not UTF-8 or contains a line break. Lists of jobs have one path on each line.
pub(crate) fn one_line_path(path: &Path) -> Result<&str, Error> {
    let text = path.to_str().ok_or_else(|| Error::PathNotText {
        path: path.to_owned(),
    })?;
    if text.contains(['\n', '\r', '\0']) {
        return Err(Error::PathWithLineBreak {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_with_line_breaks_are_refused() {
        assert!(one_line_path(Path::new("/a b/'c'\"$(d)")).is_ok());
        for bad in ["/a\nb", "/a\rb"] {
            let error = one_line_path(Path::new(bad)).unwrap_err();
            assert!(error.to_string().contains("line break"), "{error}");
            assert!(error.hint().is_some());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn properties(texts in prop::collection::vec("[^\0]{0,12}", 1..4)) {
            let script = format!("printf '%s\\0' {}", words(texts.iter().map(String::as_str)));
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            let expected: String = texts.iter().map(|text| format!("{text}\0")).collect();
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
        }
    }
}
