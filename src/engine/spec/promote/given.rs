//! Values that a trial was given besides those of its axes: by `--profile` and by `--set`.

use std::path::Path;

use super::super::assignment::{self, Assignment, SECTIONS};
use super::super::overrides::{SETTINGS, var_names};
use super::super::{Diagnostic, Node, Place, Source, yaml};
use super::{SECTION, written};

/// Adds to the values of a trial those of the profile `base` and those that were set with `--set`, so that a profile
/// with all of them means the same trial. The trial's values replace those that were set, and those replace the values
/// of `base`. `sweep` is left out, because the trial has none.
///
/// # Errors
/// If the text is not valid YAML, or if a value was set that a profile cannot hold, such as `seed`.
pub fn with_given(
    file: &Path,
    text: &str,
    base: Option<&str>,
    sets: &[String],
    values: Vec<(String, Node)>,
) -> Result<Vec<(String, Node)>, Diagnostic> {
    let source = Source::file(file, text);
    let document = yaml::parse(&source, source.given())?;
    let profiles = document.get(SECTION);
    let base = base.and_then(|base| profiles?.get(base));
    let mut all = Vec::new();
    for entry in base.map(Node::entries).unwrap_or_default() {
        let given = Given::keyed(&document, &entry.key, &entry.key_place, &entry.value);
        given.add_to(&mut all);
    }
    for set in sets {
        Given::set(&document, assignment::read_set(set)?)?.add_to(&mut all);
    }
    let place = source.place(0..0);
    for (key, value) in &values {
        Given::keyed(&document, key, &place, value).add_to(&mut all);
    }
    let all = all.into_iter();
    let kept = all.filter(|given| given.path[0] != "sweep");
    Ok(kept.map(|given| (given.key, given.value)).collect())
}

/// A value for a profile.
struct Given {
    /// The key in the profile.
    key: String,
    /// Path in the document: `vars`, `epochs`.
    path: Vec<String>,
    value: Node,
}

impl Given {
    /// A value under the key of a profile, which may be that of an axis.
    fn keyed(document: &Node, key: &str, place: &Place, value: &Node) -> Self {
        let is_setting = SETTINGS.contains(&key) && !var_names(document).contains(key);
        let path = match key.contains('.') || is_setting {
            true => {
                let assignment = Assignment::of(key, place, value.clone());
                names(&assignment)
            }
            false => vec!["vars".to_owned(), key.to_owned()],
        };
        Self {
            key: key.to_owned(),
            path,
            value: value.clone(),
        }
    }

    /// A value of `--set`.
    ///
    /// # Errors
    /// If a profile cannot hold it.
    fn set(document: &Node, assignment: Assignment) -> Result<Self, Diagnostic> {
        /// Keys that `--set` takes for those of the document, even if a var has the same name.
        const OWN: [&str; 3] = ["device", "precision", "executor"];
        let mut path = names(&assignment);
        let first = path[0].as_str();
        let is_alone = path.len() == 1;
        let is_var = var_names(document).contains(first)
            && match is_alone {
                true => !OWN.contains(&first),
                false => !SECTIONS.contains(&first),
            };
        let is_held = match is_alone {
            true => SETTINGS.contains(&first),
            false => SECTIONS.contains(&first),
        };
        if is_var {
            path.insert(0, "vars".to_owned());
        } else if !is_held {
            let name = path.join(".");
            let value = written::value(&assignment.value);
            let message = format!("a profile cannot hold `{name}`");
            let hint = match is_alone {
                true => format!("write `{name}: {value}` at the top of the pipeline instead"),
                false => "write the value into the pipeline instead".to_owned(),
            };
            return Err(Diagnostic::at(&assignment.path[0].1, message).hint(hint));
        }
        Ok(Self {
            key: key(&path),
            path,
            value: assignment.value,
        })
    }

    /// Adds the value to others. Removes those that it replaces as a whole.
    fn add_to(self, others: &mut Vec<Self>) {
        others.retain(|other| !other.path.starts_with(&self.path));
        others.push(self);
    }
}

/// The names on an assignment's path.
fn names(assignment: &Assignment) -> Vec<String> {
    let path = assignment.path.iter();
    path.map(|(name, _)| name.clone()).collect()
}

/// Returns the key in a profile for a path: `epochs`, `cnn.params.epochs`, or the whole path if a shorter key would
/// mean something else.
fn key(path: &[String]) -> String {
    match path {
        [section, var] if section == "vars" => var.clone(),
        [section, rest @ ..]
            if section == "stages" && rest.len() > 1 && !SECTIONS.contains(&rest[0].as_str()) =>
        {
            rest.join(".")
        }
        path => path.join("."),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{as_written, promote, single_trial};
    use super::with_given;
    use crate::spec::{Node, yaml};

    const TEXT: &str = "version: 1\nvars:\n  x: 1\n  k: 1\n  data: { size: 8, depth: 2 }\nprofiles:\n  large:\n    k: 5\n    \
                        cnn.params.epochs: 9\n    seeds: 4\nstages: {}\n";

    /// Returns the value that YAML reads from a text.
    fn node(text: &str) -> Node {
        let source = crate::spec::Source::set(text);
        yaml::parse(&source, source.given()).unwrap()
    }

    /// Returns the lines `KEY=VALUE` that are written for a trial with `x: 2`.
    fn given(base: Option<&str>, sets: &[&str], seeds: usize) -> Result<Vec<String>, String> {
        let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
        let values = vec![("x".to_owned(), node("2"))];
        let file = Path::new("p.yaml");
        let mut values =
            with_given(file, TEXT, base, &sets, values).map_err(|error| error.to_string())?;
        single_trial(file, TEXT, &mut values, seeds);
        promote(file, TEXT, "best", &values).map_err(|error| error.to_string())?;
        let values = as_written(&values).into_iter();
        Ok(values
            .map(|(key, value)| format!("{key}={value}"))
            .collect())
    }

    #[test]
    fn values_that_were_set_are_written_with_those_of_the_trial() {
        let sets = ["k=10", "x=7", "vars.data.size=3", "data.depth=4"];
        let written = given(None, &sets, 1).unwrap();
        let expected = [
            "k=10",
            "sweep=null",
            "vars.data.depth=4",
            "vars.data.size=3",
            "x=2",
        ];
        assert_eq!(written, expected);
        let sets = ["stages.cnn.params.epochs=3", "stages.vars.params.a=1"];
        let written = given(None, &sets, 1).unwrap();
        let expected = [
            "cnn.params.epochs=3",
            "stages.vars.params.a=1",
            "sweep=null",
            "x=2",
        ];
        assert_eq!(written, expected);
    }

    #[test]
    fn values_of_the_base_profile_are_written_unless_they_were_set() {
        let written = given(Some("large"), &["k=10"], 3).unwrap();
        let expected = [
            "cnn.params.epochs=9",
            "k=10",
            "seeds=3",
            "sweep=null",
            "x=2",
        ];
        assert_eq!(written, expected);
        // One seed, although the profile has four.
        let written = given(Some("large"), &["stages.cnn.params={}", "seeds=1"], 1).unwrap();
        let expected = ["cnn.params={}", "k=5", "seeds=1", "sweep=null", "x=2"];
        assert_eq!(written, expected);
    }

    #[test]
    fn a_value_that_replaces_a_part_comes_without_it() {
        let written = given(None, &["data.size=3", "data={ size: 1, depth: 1 }"], 1).unwrap();
        let expected = ["data={ size: 1, depth: 1 }", "sweep=null", "x=2"];
        assert_eq!(written, expected);
        let written = given(None, &["sweep.trials=3"], 1).unwrap();
        assert_eq!(written, ["sweep=null", "x=2"]);
    }

    #[test]
    fn values_that_a_profile_cannot_hold_are_refused() {
        let refused = given(None, &["k=10", "seed=3"], 1).unwrap_err();
        assert!(
            refused.contains("a profile cannot hold `seed`"),
            "{refused}"
        );
        let hint = "write `seed: 3` at the top of the pipeline instead";
        assert!(refused.contains(hint), "{refused}");
        for set in ["device=cpu", "precision=tf32", "name=other"] {
            let refused = given(None, &[set], 1).unwrap_err();
            assert!(refused.contains("a profile cannot hold"), "{refused}");
        }
    }
}
