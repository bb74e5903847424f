//! A user's mistake, with the place where it stands.

use std::fmt;

use contract::{is_printable, one_line};
use serde::Serialize;
use unicode_width::UnicodeWidthChar;

use super::Place;

/// What is wrong with a pipeline, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// A lowercase fragment.
    pub message: String,
    pub place: Option<Place>,
    /// What else is worth knowing, as `first given at …`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A mistake that stands nowhere, as a file that cannot be read.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
            notes: Vec::new(),
            hint: None,
        }
    }

    pub fn at(place: &Place, message: impl Into<String>) -> Self {
        Self {
            place: Some(place.clone()),
            ..Self::new(message)
        }
    }

    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds a hint, or takes it away.
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Sorts by place. What was found twice, as in several instances of one stage, becomes one, with
    /// the notes of both.
    pub(crate) fn sort(diagnostics: &mut Vec<Self>) {
        diagnostics.sort_by(|a, b| (&a.place, &a.message).cmp(&(&b.place, &b.message)));
        diagnostics.dedup_by(|later, first| {
            let same = (&later.place, &later.message) == (&first.place, &first.message);
            if same {
                let new = later
                    .notes
                    .drain(..)
                    .filter(|note| !first.notes.contains(note));
                let new: Vec<String> = new.collect();
                first.notes.extend(new);
            }
            same
        });
    }
}

impl std::error::Error for Diagnostic {}

/// ```text
/// error: unknown parameter `epoch`
///   --> pipelines/table1.yaml:31:15
///      |
///   31 |     params: { epoch: 6 }
///      |               ^^^^^
///      = hint: did you mean `epochs`?
/// ```
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only quoted lines of a program's output, which have a bar in front, begin new lines.
        let lines = self.message.split(QUOTED).map(one_line);
        write!(f, "error: {}", lines.collect::<Vec<_>>().join(QUOTED))?;
        let mut margin = String::new();
        if let Some(place) = &self.place {
            let (name, number) = match place.file() {
                Some(_) => (place.to_string(), place.line().to_string()),
                None if place.is_variable() => ("environment".to_owned(), String::new()),
                None => ("command line".to_owned(), String::new()),
            };
            margin = " ".repeat(number.len());
            let excerpt = Excerpt::of(place);
            write!(
                f,
                "\n  --> {name}\n  {margin} |\n  {number} | {}",
                excerpt.line
            )?;
            write!(
                f,
                "\n  {margin} | {}{}",
                " ".repeat(excerpt.indent),
                "^".repeat(excerpt.width)
            )?;
        }
        for note in &self.notes {
            write!(f, "\n  {margin} = note: {}", one_line(note))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  {margin} = hint: {}", one_line(hint))?;
        }
        Ok(())
    }
}

/// Separates the quoted lines of a program's output in a message.
const QUOTED: &str = "\n  | ";

/// The line of a place, fit for a terminal: no control characters, not too long.
struct Excerpt {
    line: String,
    /// Terminal cells in front of the caret, and under it.
    indent: usize,
    width: usize,
}

impl Excerpt {
    /// Characters kept in front of the caret, and in all.
    const BEFORE: usize = 80;
    const LONGEST: usize = 160;

    fn of(place: &Place) -> Self {
        let columns = place.columns();
        let line = place.line_text();
        let caret = line[..columns.start.min(line.len())].chars().count();
        let cut = if line.chars().count() > Self::LONGEST {
            caret.saturating_sub(Self::BEFORE)
        } else {
            0
        };

        let mut excerpt = Self {
            line: String::new(),
            indent: 0,
            width: 0,
        };
        if cut > 0 {
            excerpt.line.push('…');
            excerpt.indent = 1;
        }
        for (count, (byte, char)) in line.char_indices().skip(cut).enumerate() {
            if count == Self::LONGEST {
                excerpt.line.push('…');
                break;
            }
            let shown = if is_printable(char) { char } else { ' ' };
            let cells = shown.width().unwrap_or(0);
            excerpt.line.push(shown);
            if byte < columns.start {
                excerpt.indent += cells;
            } else if byte < columns.end {
                excerpt.width += cells;
            }
        }
        excerpt.width = excerpt.width.max(1);
        excerpt
    }
}
