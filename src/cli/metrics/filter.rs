//! Selects metrics by patterns.

use engine::error::Error;
use engine::run::run_metrics::Measured;
use engine::spec::suggest;

/// A pattern in which `*` stands for any text. All other characters stand for themselves, because names of instances
/// contain brackets.
#[derive(Clone, Debug)]
struct Glob {
    parts: Vec<String>,
}

impl Glob {
    fn new(pattern: &str) -> Self {
        Self {
            parts: pattern.split('*').map(str::to_owned).collect(),
        }
    }

    fn matches(&self, text: &str) -> bool {
        let (Some(first), Some(last)) = (self.parts.first(), self.parts.last()) else {
            return false;
        };
        if self.parts.len() == 1 {
            return text == first;
        }
        let Some(mut rest) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        // Each part matches as early as possible, which leaves the most for the others.
        for part in &self.parts[1..self.parts.len() - 1] {
            match rest.find(part.as_str()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}

/// Accepts metrics that match any of its patterns; all metrics if it has none.
pub(super) struct Filter<'a> {
    patterns: Vec<(&'a str, Glob)>,
}

/// The names by which a pattern may mean a metric.
fn names(one: &Measured<'_>) -> [String; 5] {
    [
        one.stage.to_owned(),
        one.instance.to_owned(),
        one.metric(),
        format!("{}.{}", one.stage, one.metric()),
        one.full_name(),
    ]
}

impl<'a> Filter<'a> {
    pub(super) fn new(patterns: &'a [String]) -> Self {
        let patterns = patterns.iter();
        Self {
            patterns: patterns
                .map(|pattern| (pattern.as_str(), Glob::new(pattern)))
                .collect(),
        }
    }

    pub(super) fn accepts(&self, one: &Measured<'_>) -> bool {
        let names = names(one);
        let mut patterns = self.patterns.iter();
        self.patterns.is_empty()
            || patterns.any(|(_, glob)| names.iter().any(|name| glob.matches(name)))
    }

    /// Rejects a pattern that no metric matches, if there are any metrics.
    pub(super) fn check(&self, all: &[Measured<'_>]) -> Result<(), Error> {
        for (pattern, glob) in &self.patterns {
            let known: Vec<String> = all.iter().flat_map(names).collect();
            if known.is_empty() || known.iter().any(|name| glob.matches(name)) {
                continue;
            }
            let hint = suggest::hint("names", pattern, known.iter().map(String::as_str));
            let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
            return Err(Error::Usage(format!("no metric matches `{pattern}`{hint}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn a_star_stands_for_any_text_and_brackets_for_themselves() {
        for (pattern, text, expected) in [
            ("evaluate", "evaluate", true),
            ("evaluate", "evaluate[a]", false),
            ("evaluate*", "evaluate[a]", true),
            ("*[a]", "evaluate[a]", true),
            ("*[a]", "evaluate[b]", false),
            ("e*a*]", "evaluate[a]", true),
            ("ab*ba", "aba", false),
            ("*", "", true),
            ("a*b*b", "ab", false),
            ("a*b*b", "abb", true),
        ] {
            assert_eq!(
                Glob::new(pattern).matches(text),
                expected,
                "{pattern} {text}"
            );
        }
    }
}
