//! Where something stands: a stretch of a source text.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// A text that values come from.
#[derive(Debug)]
pub struct Source {
    origin: Origin,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    File(PathBuf),
    /// An argument `--set NAME=VALUE`; the source's text is the whole of it, `--set` included.
    Set,
    /// An option with its value, as `--device cuda`.
    Option,
    /// A variable of the environment with its value, as `RUNNER_DEVICE=cuda`.
    Variable,
}

/// What stands in front of an assignment in the text of its source.
const SET: &str = "--set ";

impl Source {
    /// The text of a file. A byte order mark at its start is dropped.
    pub fn file(path: &Path, text: &str) -> Arc<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        Arc::new(Self {
            origin: Origin::File(path.to_owned()),
            text,
        })
    }

    /// An assignment from the command line, `NAME=VALUE`.
    pub fn set(assignment: &str) -> Arc<Self> {
        Arc::new(Self {
            origin: Origin::Set,
            text: format!("{SET}{assignment}"),
        })
    }

    /// An option of the command line with its value.
    pub fn option(text: String) -> Arc<Self> {
        Arc::new(Self {
            origin: Origin::Option,
            text,
        })
    }

    /// A variable of the environment with its value.
    pub fn variable(text: String) -> Arc<Self> {
        Arc::new(Self {
            origin: Origin::Variable,
            text,
        })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The part of the text that was given: all of it, or an assignment without its `--set`.
    pub fn given(&self) -> Range<usize> {
        let start = match self.origin {
            Origin::File(_) | Origin::Option | Origin::Variable => 0,
            Origin::Set => SET.len(),
        };
        start..self.text.len()
    }

    /// The place of these bytes.
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

/// A stretch of a source: what a diagnostic points at.
#[derive(Clone)]
pub struct Place {
    source: Arc<Source>,
    // There are as many places as values; no source is longer than `yaml::MAX_BYTES`.
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

    /// The file, or `None` for the command line and the environment.
    pub fn file(&self) -> Option<&Path> {
        match &self.source.origin {
            Origin::File(path) => Some(path),
            Origin::Set | Origin::Option | Origin::Variable => None,
        }
    }

    /// Whether it is a variable of the environment.
    pub fn is_variable(&self) -> bool {
        self.source.origin == Origin::Variable
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        1 + self.source.text[..self.start()].matches('\n').count()
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> usize {
        1 + self.source.text[self.line_start()..self.start()]
            .chars()
            .count()
    }

    /// The text of the line that the place starts on.
    pub fn line_text(&self) -> &str {
        let start = self.line_start();
        let line = &self.source.text[start..];
        line[..line.find('\n').unwrap_or(line.len())].trim_end_matches('\r')
    }

    /// The bytes of the source that it covers.
    pub(super) fn bytes(&self) -> Range<usize> {
        self.start()..self.end()
    }

    /// The text at the place.
    pub fn text(&self) -> &str {
        &self.source.text[self.start()..self.end()]
    }

    /// Whether the place ends on the line it starts on.
    pub fn is_one_line(&self) -> bool {
        !self.text().contains('\n')
    }

    /// The bytes of the first line that the place covers, counted from the start of that line.
    pub(super) fn columns(&self) -> Range<usize> {
        let start = self.start() - self.line_start();
        let covered = self
            .text()
            .lines()
            .next()
            .map_or(0, |line| line.trim_end().len());
        start..start + covered
    }

    /// The first occurrence of `text` within the place; the whole place where there is none (a
    /// scalar may be written with escapes).
    pub fn find(&self, text: &str) -> Self {
        match self.text().find(text) {
            Some(offset) => self
                .source
                .place(self.start() + offset..self.start() + offset + text.len()),
            None => self.clone(),
        }
    }

    /// These bytes of the place.
    pub fn part(&self, bytes: Range<usize>) -> Self {
        let at = |byte: usize| (self.start() + byte).min(self.end());
        self.source.place(at(bytes.start)..at(bytes.end))
    }

    /// From the start of this place to the end of another of the same source.
    pub fn to(&self, other: &Self) -> Self {
        self.source.place(self.start()..other.end())
    }

    fn line_start(&self) -> usize {
        self.source.text[..self.start()]
            .rfind('\n')
            .map_or(0, |newline| newline + 1)
    }

    fn sort_key(&self) -> (&Origin, usize, usize, &str) {
        // Two arguments have the same origin, and are told apart by their text.
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
    /// Files before the command line, then by position.
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort_key().cmp(&other.sort_key())
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `pipelines/table1.yaml:31:15`, or `--set epochs=x`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file() {
            Some(file) => write!(f, "{}:{}:{}", file.display(), self.line(), self.column()),
            None => f.write_str(self.line_text()),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `{"file": …, "line": 31, "column": 15, "text": "epoch"}`, or with `"set"`, `"option"` or `"variable"` in place
/// of `"file"`.
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
