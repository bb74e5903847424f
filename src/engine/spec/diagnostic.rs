//! Errors and warnings about a user's input, and how they are shown with an excerpt of the source.

use std::fmt;

use contract::{is_printable, one_line};
use serde::Serialize;
use unicode_width::UnicodeWidthChar;

use super::Place;

/// An error or warning about a pipeline: what is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Lowercase, without a full stop.
    pub message: String,
    pub place: Option<Place>,
    /// Further facts, for example `first given at …`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Suggested fix.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// Creates a diagnostic without a place, for example for a file that cannot be read.
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

    /// Sets the hint, or removes it if `hint` is `None`.
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Sorts diagnostics by place. Those with equal place and message, for example from several instances of
    /// a stage, are merged into one with the notes of all.
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
        // Line breaks are kept only before quoted lines of a program's output, which begin with a bar.
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

/// Separator before each quoted line of a program's output in a message.
const QUOTED: &str = "\n  | ";

/// The source line of a place, prepared for a terminal: without control characters, and shortened.
struct Excerpt {
    line: String,
    /// Terminal cells before the carets (`indent`), and of the carets (`width`).
    indent: usize,
    width: usize,
}

impl Excerpt {
    /// Characters of a long line that are kept before the carets (`BEFORE`), and in total (`LONGEST`).
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
