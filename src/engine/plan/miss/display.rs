//! Describes reasons and changes in a few words.

use std::fmt;

use contract::{ShowPath, one_line};
use serde_json::Value;

use super::{Change, MissReason, ParamChange, SourceChanges};
use crate::plan::source::source_digest;
use store::keys::ToolId;

impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstRun => f.write_str("first run"),
            Self::Forced => f.write_str("forced"),
            Self::Changed { first, more: 0 } => write!(f, "{first}"),
            Self::Changed { first, more } => write!(f, "{first}, {more} more"),
            Self::UnknownTool(name) => {
                write!(f, "version of `{name}` unknown until run")
            }
            Self::RecordMissing => f.write_str("record missing"),
            Self::RecordDamaged => f.write_str("record damaged"),
            Self::OutputMissing { port } => write!(f, "output missing: {port}"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind { from, to } => write!(f, "kind {from} → {to}"),
            Self::Format { from, to } => write!(f, "format {from} → {to}"),
            Self::Version { kind, from, to } => write!(f, "code: {kind} version {from} → {to}"),
            Self::Param(change) => write!(f, "{change}"),
            Self::Seed { from, to } => write!(f, "seed {from} → {to}"),
            Self::Device { from, to } => write!(f, "device {from} → {to}"),
            Self::Processor { from, to } => {
                let name = |name: &Option<String>| name.clone().unwrap_or("unknown".to_owned());
                write!(f, "processor {} → {}", name(from), name(to))
            }
            Self::Source { path, changes } => {
                let place = path.as_ref().map(|path| format!(" in {}", path.shown()));
                let place = place.unwrap_or_default();
                match changes {
                    None => write!(f, "source changed{place}"),
                    Some(changes) if changes.first.is_empty() => {
                        let name = path.as_ref().map(|path| format!("{} ", path.shown()));
                        let name = name.unwrap_or_else(|| "file ".to_owned());
                        write!(f, "source: {name}changed")
                    }
                    Some(changes) => {
                        write!(
                            f,
                            "source: {changes}{place}, first: {}",
                            one_line(&changes.first)
                        )
                    }
                }
            }
            Self::Tool { name, from, to } => match (from, to) {
                (Some(ToolId::Content(_)), Some(ToolId::Content(_))) => {
                    write!(f, "program `{name}` changed")
                }
                (Some(from), Some(to)) => write!(f, "program `{name}` {from} → {to}"),
                (None, Some(to)) => write!(f, "program `{name}` added: {to}"),
                (_, None) => write!(f, "program `{name}` removed"),
            },
            Self::Input { role } => write!(f, "input `{role}` changed"),
            Self::Index { role, from, to } => {
                write!(f, "the index of input `{role}` changed: {from} → {to}")
            }
        }
    }
}

impl fmt::Display for ParamChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = one_line(&self.path);
        match (&self.from, &self.to) {
            (None, Some(to)) => write!(f, "{path} added: {}", shown(to)),
            (Some(_), None) => write!(f, "{path} removed"),
            (from, to) => {
                let text = |value: &Option<Value>| value.as_ref().map(text).unwrap_or_default();
                let (from, to) = (text(from), text(to));
                let skipped = skipped(&from, &to);
                let (from, to) = (cut(&from, skipped), cut(&to, skipped));
                write!(f, "{path} {from} → {to}")
            }
        }
    }
}

/// Formatted as `2 files changed, 1 added`.
impl fmt::Display for SourceChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.changed, "changed"),
            (self.added, "added"),
            (self.removed, "removed"),
        ];
        for (position, (count, what)) in counts.iter().filter(|(n, _)| *n > 0).enumerate() {
            let files = if *count == 1 { "file" } else { "files" };
            match position {
                0 => write!(f, "{count} {files} {what}")?,
                _ => write!(f, ", {count} {what}")?,
            }
        }
        Ok(())
    }
}

/// Longest value to show, in characters.
const LONGEST: usize = 32;

/// Equal characters to show before the first difference of two long values.
const CONTEXT: usize = 8;

/// Formats a value: strings without quotes, sources by the start of their digest, long values truncated.
fn shown(value: &Value) -> String {
    cut(&text(value), 0)
}

/// Formats a value in full: strings without quotes, sources by the start of their digest.
fn text(value: &Value) -> String {
    match (source_digest(value), value) {
        (Some(digest), _) => format!("source {}", digest.short()),
        (None, Value::String(text)) => text.clone(),
        (None, value) => value.to_string(),
    }
}

/// Returns the number of leading characters to leave out of both texts, so that their first difference is shown even
/// if they are truncated.
fn skipped(a: &str, b: &str) -> usize {
    let is_same = |(a, b): &(char, char)| a == b;
    let same = a.chars().zip(b.chars()).take_while(is_same).count();
    if same < LONGEST - 1 {
        0
    } else {
        same - CONTEXT
    }
}

/// Leaves out the first `skipped` characters of a text, and truncates the rest. `…` marks each. The result is one line,
/// in which a line break is `\n`.
fn cut(text: &str, skipped: usize) -> String {
    let rest: Vec<char> = text.chars().skip(skipped).collect();
    let start = if skipped > 0 { "…" } else { "" };
    let (kept, end) = match rest.len() > LONGEST {
        true => (&rest[..LONGEST - 1], "…"),
        false => (rest.as_slice(), ""),
    };
    // Escaped only now, so that no escape sequence is cut.
    let kept: String = kept.iter().collect();
    format!("{start}{}{end}", one_line(&kept))
}

#[cfg(test)]
mod tests {
    use crate::plan::ParamChange;

    fn change(from: &str, to: &str) -> String {
        ParamChange {
            path: "argv".to_owned(),
            from: Some(from.into()),
            to: Some(to.into()),
        }
        .to_string()
    }

    #[test]
    fn scripts_of_several_lines_are_shown_in_one_line() {
        assert_eq!(
            change("x=1\necho $x > out\n", "x=1\necho $x > m\n"),
            "argv x=1\\necho $x > out\\n → x=1\\necho $x > m\\n"
        );
        // No escape sequence is cut in half.
        let start = "x".repeat(30);
        assert_eq!(
            change("a", &format!("{start}\n{start}")),
            format!("argv a → {start}\\n…")
        );
        let added = ParamChange {
            path: "argv[2]".to_owned(),
            from: None,
            to: Some("a\nb".into()),
        };
        assert_eq!(added.to_string(), "argv[2] added: a\\nb");
    }

    #[test]
    fn the_first_difference_of_long_values_is_shown() {
        assert_eq!(change("a", "b"), "argv a → b");
        let long = "x".repeat(40);
        assert_eq!(
            change(&format!("a{long}"), &format!("b{long}")),
            format!("argv a{0}… → b{0}…", "x".repeat(30))
        );
        assert_eq!(
            change(&format!("{long}1 end"), &format!("{long}é end")),
            "argv …xxxxxxxx1 end → …xxxxxxxxé end"
        );
        assert_eq!(
            change(&long, &format!("{long}{long}")),
            format!("argv …xxxxxxxx → …{}…", "x".repeat(31))
        );
    }
}
