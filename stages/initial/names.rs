//! Finds the tensors of a network among those of a file, whose names may be those of another program.

use contract::Invalid;
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Largest size of a compiled pattern, in bytes.
const MOST_PATTERN: usize = 1 << 20;

/// A rule that changes names of tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// Regular expression for a part of a name in the file.
    pub from: String,
    /// Text in place of that part; `$1` stands for the first group in parentheses.
    pub to: String,
}

impl Rename {
    pub(super) fn rule(&self) -> Result<Rule, Invalid> {
        let pattern = RegexBuilder::new(&self.from)
            .size_limit(MOST_PATTERN)
            .build();
        let pattern = pattern.map_err(|error| {
            let message = format!("`{}` is no regular expression: {error}", self.from);
            Invalid::new(message).under("from")
        })?;
        Ok(Rule {
            pattern,
            to: self.to.clone(),
        })
    }
}

pub(super) struct Rule {
    pattern: Regex,
    to: String,
}

/// Returns a name as the first rule that fits it changes it.
pub(super) fn renamed(name: &str, rules: &[Rule]) -> String {
    let rule = rules.iter().find(|rule| rule.pattern.is_match(name));
    rule.map_or_else(
        || name.to_owned(),
        |rule| rule.pattern.replace(name, rule.to.as_str()).into_owned(),
    )
}

/// Returns the names that a tensor of ours may have in a file, the best one first. Those of PyTorch differ only in their
/// last part.
pub(super) fn spellings(ours: &str) -> Vec<String> {
    let (owner, part) = ours.rsplit_once('.').unwrap_or(("", ours));
    let other = match part {
        "scale" => Some("weight"),
        "shift" => Some("bias"),
        "mean" => Some("running_mean"),
        "variance" => Some("running_var"),
        _ => None,
    };
    let other = other.map(|part| format!("{owner}.{part}"));
    std::iter::once(ours.to_owned()).chain(other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(pairs: &[(&str, &str)]) -> Vec<Rule> {
        let rule = |&(from, to): &(&str, &str)| Rename {
            from: from.to_owned(),
            to: to.to_owned(),
        };
        let rules = pairs.iter().map(rule);
        rules.map(|rename| rename.rule().ok().unwrap()).collect()
    }

    #[test]
    fn the_first_rule_that_fits_changes_a_name() {
        let rules = rules(&[
            (r"^features\.(\d+)\.0\.", "$1.conv."),
            (r"^features\.", "never."),
            ("classifier", "9.dense"),
        ]);
        let renamed = |name| renamed(name, &rules);
        assert_eq!(renamed("features.3.0.weight"), "3.conv.weight");
        assert_eq!(renamed("features.3.1.weight"), "never.3.1.weight");
        assert_eq!(renamed("classifier.bias"), "9.dense.bias");
        assert_eq!(renamed("other"), "other");
    }

    #[test]
    fn patterns_that_are_wrong_or_enormous_are_refused() {
        for from in ["(", "(a{1000}){1000}"] {
            let rename = Rename {
                from: from.to_owned(),
                to: String::new(),
            };
            let error = rename.rule().err().unwrap();
            assert!(error.message.contains("no regular expression"), "{error}");
        }
    }

    #[test]
    fn tensors_have_the_names_of_pytorch_too() {
        assert_eq!(
            spellings("3.batch_norm.mean")[1],
            "3.batch_norm.running_mean"
        );
        assert_eq!(spellings("3.batch_norm.scale")[1], "3.batch_norm.weight");
        assert_eq!(spellings("0.conv.weight"), ["0.conv.weight"]);
    }
}
