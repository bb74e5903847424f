//! Edits of a text that is written in lines: [`Edit`] replaces a byte range, and [`Text`] creates edits in
//! the layout of the text.

use std::ops::Range;

use super::outline::{Form, Line};

/// A byte range of a text, and its replacement.
#[derive(Debug)]
pub(super) struct Edit {
    bytes: Range<usize>,
    text: String,
}

impl Edit {
    pub(super) fn at(bytes: Range<usize>, text: String) -> Self {
        Self { bytes, text }
    }
}

/// Applies edits, which must not overlap.
pub(super) fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| (edit.bytes.start, edit.bytes.end));
    let mut new = String::with_capacity(text.len() + 256);
    let mut done = 0;
    for edit in &edits {
        new.push_str(&text[done..edit.bytes.start.max(done)]);
        new.push_str(&edit.text);
        done = edit.bytes.end.max(done);
    }
    new.push_str(&text[done..]);
    new
}

/// A text with the indentation and line endings that it uses.
pub(super) struct Text<'a> {
    text: &'a str,
    /// Number of spaces per level.
    pub indentation: usize,
    line_feed: &'static str,
}

impl<'a> Text<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        // The first line below a section shows the indentation.
        let mut section = false;
        let mut indentation = 2;
        for line in text.lines() {
            let content = line.trim_start_matches(' ');
            let spaces = line.len() - content.len();
            if content.trim().is_empty() || content.starts_with(['#', '-']) {
                continue;
            }
            if section && spaces > 0 {
                indentation = spaces;
                break;
            }
            let code = content.split(" #").next().unwrap_or(content);
            section = spaces == 0 && code.trim_end().ends_with(':');
        }
        let line_feed = match text.find('\n') {
            Some(at) if text[..at].ends_with('\r') => "\r\n",
            _ => "\n",
        };
        Self {
            text,
            indentation,
            line_feed,
        }
    }

    fn line_start(&self, byte: usize) -> usize {
        self.text[..byte].rfind('\n').map_or(0, |at| at + 1)
    }

    /// Returns the end of the line that contains `byte`, including its line feed. If the text before `byte`
    /// ends with a line feed, as after a block scalar, returns `byte`.
    fn line_end(&self, byte: usize) -> usize {
        if byte > 0 && self.text[..byte].ends_with('\n') {
            return byte;
        }
        let rest = &self.text[byte..];
        rest.find('\n').map_or(self.text.len(), |at| byte + at + 1)
    }

    /// Returns the start of the line after a value that ends at `byte` and after the comments that belong to the
    /// value. Comments below the value belong to it if they are indented by at least `spaces`.
    pub(super) fn line_after(&self, byte: usize, spaces: usize) -> usize {
        let mut end = self.line_end(byte);
        loop {
            let next = self.line_end((end + 1).min(self.text.len()));
            let Some(line) = self.text.get(end..next) else {
                return end;
            };
            let content = line.trim_start_matches(' ');
            if !content.starts_with('#') || line.len() - content.len() < spaces {
                return end;
            }
            end = next;
        }
    }

    /// Returns the number of spaces before a key.
    pub(super) fn column(&self, line: &Line) -> usize {
        line.key_bytes.start - self.line_start(line.key_bytes.start)
    }

    /// Returns the position of the colon after a key.
    pub(super) fn colon(&self, line: &Line) -> usize {
        let rest = &self.text[line.key_bytes.end..];
        line.key_bytes.end + rest.find(':').unwrap_or(0)
    }

    /// Returns whether only spaces come before a key on its line, and between the key and its colon.
    pub(super) fn is_plain(&self, line: &Line) -> bool {
        let Range { start, end } = line.key_bytes;
        let before = &self.text[self.line_start(start)..start];
        before.bytes().all(|byte| byte == b' ')
            && self.text[end..].trim_start_matches(' ').starts_with(':')
    }

    /// Returns whether an empty line begins at `at`, as between sections. At the end of the text, whether the text has
    /// any empty line.
    pub(super) fn is_spaced(&self, at: usize) -> bool {
        match self.text[at..].lines().next() {
            Some(line) => line.trim().is_empty(),
            None => self.text.lines().any(|line| line.trim().is_empty()),
        }
    }

    /// Creates the edit that inserts lines at the start of a line, after an empty line if `spaced`.
    pub(super) fn insert(&self, at: usize, lines: &[String], spaced: bool) -> Edit {
        let mut text = String::new();
        if at > 0 && !self.text[..at].ends_with('\n') {
            text += self.line_feed;
        }
        if spaced {
            text += self.line_feed;
        }
        for line in lines {
            text += line;
            text += self.line_feed;
        }
        Edit::at(at..at, text)
    }

    /// Creates the edits that replace the value of a key. A comment on the key's line is kept.
    pub(super) fn replace(&self, line: &Line, value: &str) -> Vec<Edit> {
        let after_colon = self.colon(line) + 1;
        let own_line_end = self.line_end(line.key_bytes.end);
        let old = &line.value;
        let new = format!(" {value}");
        if old.bytes.start >= own_line_end && !old.anchored && !matches!(old.form, Form::Empty) {
            let end = self.line_end(old.bytes.end);
            return vec![
                Edit::at(after_colon..after_colon, new),
                Edit::at(own_line_end..end, String::new()),
            ];
        }
        let end = line.value_end().max(after_colon);
        // A block scalar includes its line feed, so the new value needs one as well.
        let feed = if self.text[..end].ends_with('\n') {
            self.line_feed
        } else {
            ""
        };
        vec![Edit::at(after_colon..end, new + feed)]
    }
}
