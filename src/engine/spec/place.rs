//! Source texts, and places in them: byte ranges that diagnostics point at.

use contract::ShowPath;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// A text from which values are read.
#[derive(Debug)]
pub struct Source {
    origin: Origin,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    File(PathBuf),
    /// An argument `--set NAME=VALUE`. The source's text is the whole argument, including `--set`.
    Set,
    /// An option with its value, for example `--device cuda`.
    Option,
    /// An environment variable with its value, for example `RUNNER_DEVICE=cuda`.
    Variable,
}

/// Text before an assignment in its source.
const SET: &str = "--set ";

impl Source {
    /// Creates the source for the text of a file. A byte order mark at its start is dropped.
    pub fn file(path: &Path, text: &str) -> Arc<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        Arc::new(Self {
            origin: Origin::File(path.to_owned()),
            text,
        })
    }

    /// Creates the source for an assignment from the command line, `NAME=VALUE`.
    pub fn set(assignment: &str) -> Arc<Self> {
        Arc::new(Self {
            origin: Origin::Set,
            text: format!("{SET}{assignment}"),
        })
    }

    /// Creates the source for a command-line option with its value.
    pub fn option(text: String) -> Arc<Self> {
        Arc::new(Self {
            origin: Origin::Option,
            text,
        })
    }

    /// Creates the source for an environment variable with its value.
    pub fn variable(text: String) -> Arc<Self> {
        Arc::new(Self {
            origin: Origin::Variable,
            text,
        })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the range that the user wrote: the whole text, without the `--set ` before an assignment.
    pub fn given(&self) -> Range<usize> {
        let start = match self.origin {
            Origin::File(_) | Origin::Option | Origin::Variable => 0,
            Origin::Set => SET.len(),
        };
        start..self.text.len()
    }

    /// Returns the place of a byte range. Its ends are moved back to character boundaries.
    pub fn place(self: &Arc<Self>, bytes: Range<usize>) -> Place {
        let start = self.boundary(bytes.start);
        let end = self.boundary(bytes.end.max(start));
        let short = |byte| u32::try_from(byte).unwrap_or(u32::MAX);
        Place {
            source: Arc::clone(self),
            start: short(start),
            end: short(end),
        }
    }

    fn boundary(&self, byte: usize) -> usize {
        self.text.floor_char_boundary(byte)
    }
}

/// A byte range of a source, which a diagnostic can point at.
#[derive(Clone)]
pub struct Place {
    source: Arc<Source>,
    // Every value has a place, so `u32` saves memory. No source is longer than `yaml::MAX_BYTES`.
    start: u32,
    end: u32,
}

impl Place {
    fn start(&self) -> usize {
        self.start as usize
    }

    fn end(&self) -> usize {
        self.end as usize
    }

    /// Returns the file, or `None` for the command line and the environment.
    pub fn file(&self) -> Option<&Path> {
        match &self.source.origin {
            Origin::File(path) => Some(path),
            Origin::Set | Origin::Option | Origin::Variable => None,
        }
    }

    /// Returns whether the source is an environment variable.
    pub fn is_variable(&self) -> bool {
        self.source.origin == Origin::Variable
    }

    /// Returns the line number, counted from 1.
    pub fn line(&self) -> usize {
        1 + self.source.text[..self.start()].matches('\n').count()
    }

    /// Returns the column in characters, counted from 1.
    pub fn column(&self) -> usize {
        1 + self.source.text[self.line_start()..self.start()]
            .chars()
            .count()
    }

    /// Returns the text of the line on which the place starts.
    pub fn line_text(&self) -> &str {
        let start = self.line_start();
        let line = &self.source.text[start..];
        line[..line.find('\n').unwrap_or(line.len())].trim_end_matches('\r')
    }

    /// Returns the byte range of the place in its source.
    pub(super) fn bytes(&self) -> Range<usize> {
        self.start()..self.end()
    }

    /// Returns the text at the place.
    pub fn text(&self) -> &str {
        &self.source.text[self.start()..self.end()]
    }

    /// Returns whether the place ends on the line on which it starts.
    pub fn is_one_line(&self) -> bool {
        !self.text().contains('\n')
    }

    /// Returns the byte range that the place covers on its first line, counted from the start of the line.
    pub(super) fn columns(&self) -> Range<usize> {
        let start = self.start() - self.line_start();
        let covered = self
            .text()
            .lines()
            .next()
            .map_or(0, |line| line.trim_end().len());
        start..start + covered
    }

    /// Finds the first occurrence of `text` within the place. Returns the whole place if there is none,
    /// because a scalar may be written with escapes.
    pub fn find(&self, text: &str) -> Self {
        match self.text().find(text) {
            Some(offset) => self
                .source
                .place(self.start() + offset..self.start() + offset + text.len()),
            None => self.clone(),
        }
    }

    /// Returns a part of the place; `bytes` are counted from its start.
    pub fn part(&self, bytes: Range<usize>) -> Self {
        let at = |byte: usize| (self.start() + byte).min(self.end());
        self.source.place(at(bytes.start)..at(bytes.end))
    }

    /// Returns the place from the start of this one to the end of `other`, which must have the same source.
    pub fn to(&self, other: &Self) -> Self {
        self.source.place(self.start()..other.end())
    }

    fn line_start(&self) -> usize {
        self.source.text[..self.start()]
            .rfind('\n')
            .map_or(0, |newline| newline + 1)
    }

    fn sort_key(&self) -> (&Origin, usize, usize, &str) {
        // All `--set` arguments have the same origin, and so have all options and all variables. Their text
        // distinguishes them.
        let text = match self.source.origin {
            Origin::File(_) => "",
            Origin::Set | Origin::Option | Origin::Variable => self.source.text.as_str(),
        };
        (&self.source.origin, self.start(), self.end(), text)
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.sort_key() == other.sort_key()
    }
}

impl Eq for Place {}

impl Ord for Place {
    /// Orders files before the command line and the environment, then by position.
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort_key().cmp(&other.sort_key())
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Writes `pipelines/table1.yaml:31:15`, or `--set epochs=x`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file() {
            Some(file) => write!(f, "{}:{}:{}", file.shown(), self.line(), self.column()),
            None => f.write_str(self.line_text()),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Serializes as `{"file": …, "line": 31, "column": 15, "text": "epoch"}`, with `"set"`, `"option"` or
/// `"variable"` in place of `"file"` for other sources.
impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut place = serializer.serialize_struct("Place", 4)?;
        let given = &self.source.text[self.source.given()];
        match &self.source.origin {
            Origin::File(file) => place.serialize_field("file", &file.to_string_lossy())?,
            Origin::Set => place.serialize_field("set", given)?,
            Origin::Option => place.serialize_field("option", given)?,
            Origin::Variable => place.serialize_field("variable", given)?,
        }
        place.serialize_field("line", &self.line())?;
        place.serialize_field("column", &self.column())?;
        place.serialize_field("text", self.text())?;
        place.end()
    }
}
