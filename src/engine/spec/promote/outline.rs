//! Byte ranges of the parts of a YAML text.
//!
//! The place of a [`Node`](crate::spec::Node) is where its *value* is defined, which for an alias is
//! elsewhere. To edit a text, one needs the range in which the value is *written*.

use std::mem;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::spec::yaml::Offsets;

/// A value as it is laid out in the text.
#[derive(Debug)]
pub(super) struct Outline {
    /// Byte range, without the anchor. For a block list or map, from its first to its last part.
    pub bytes: Range<usize>,
    pub form: Form,
    /// `true` if the value, or anything in it, has an anchor.
    pub anchored: bool,
}

#[derive(Debug)]
pub(super) enum Form {
    /// No value is written.
    Empty,
    Scalar,
    Alias,
    List,
    /// A block map, with each key on its own line.
    Block(Vec<Line>),
    /// A flow map, `{…}`, with its number of keys.
    Flow(usize),
}

/// A key of a map with its value.
#[derive(Debug)]
pub(super) struct Line {
    pub key: String,
    pub key_bytes: Range<usize>,
    pub value: Outline,
}

impl Outline {
    /// Reads the outline of a YAML text. Returns `None` if the text is invalid or empty.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut reader = Reader {
            text,
            offsets: Offsets::new(text, 0),
            open: Vec::new(),
            root: None,
        };
        for event in Parser::new_from_str(text) {
            let (event, span) = event.ok()?;
            reader.event(event, span);
        }
        reader.root
    }

    /// Returns the lines of a block map; empty for any other value.
    pub(super) fn lines(&self) -> &[Line] {
        match &self.form {
            Form::Block(lines) => lines,
            _ => &[],
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    offsets: Offsets,
    open: Vec<Open>,
    root: Option<Outline>,
}

/// A list or map whose end has not been reached yet.
struct Open {
    start: usize,
    anchored: bool,
    is_map: bool,
    key: Option<(String, Range<usize>)>,
    lines: Vec<Line>,
    /// End of its last part so far.
    end: usize,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) {
        let bytes = self.offsets.byte(span.start.index())..self.offsets.byte(span.end.index());
        match event {
            Event::Scalar(text, style, anchor, _) => {
                if let Some(open) = self.open.last_mut()
                    && open.is_map
                    && open.key.is_none()
                {
                    open.anchored |= anchor != 0;
                    open.key = Some((text.into_owned(), bytes));
                    return;
                }
                let bytes = match style {
                    ScalarStyle::Literal | ScalarStyle::Folded => self.block(&text, bytes),
                    _ => bytes,
                };
                let form = if bytes.is_empty() {
                    Form::Empty
                } else {
                    Form::Scalar
                };
                self.complete(bytes, form, anchor != 0);
            }
            Event::Alias(_) => self.complete(bytes, Form::Alias, false),
            Event::SequenceStart(anchor, _) => self.start(bytes.start, anchor != 0, false),
            Event::MappingStart(anchor, _) => self.start(bytes.start, anchor != 0, true),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
    }

    fn start(&mut self, start: usize, anchored: bool, is_map: bool) {
        self.open.push(Open {
            start,
            anchored,
            is_map,
            key: None,
            lines: Vec::new(),
            end: start,
        });
    }

    fn end(&mut self) {
        let Some(open) = self.open.pop() else { return };
        let is_flow = self.text[open.start..].starts_with(['{', '[']);
        // The parser's end is too late: for a block it is at the next token, and for a flow collection it is
        // after a following comment.
        let end = if is_flow {
            self.bracket_after(open.end.max(open.start + 1))
        } else {
            open.end
        };
        let form = match (open.is_map, is_flow) {
            (false, _) => Form::List,
            (true, true) => Form::Flow(open.lines.len()),
            (true, false) => Form::Block(open.lines),
        };
        self.complete(open.start..end, form, open.anchored);
    }

    /// Returns the range of a block scalar, from its `|` or `>` to its last line feed. The parser's range
    /// begins with the first line and includes empty lines and spaces at the end.
    fn block(&self, text: &str, bytes: Range<usize>) -> Range<usize> {
        let key = self.open.last().and_then(|open| open.key.as_ref());
        let start = key.and_then(|(_, key)| {
            let between = self.text.get(key.end..bytes.start)?;
            Some(key.end + between.find(['|', '>'])?)
        });
        let written = &self.text[..bytes.end];
        let keeps_empty_lines = text.ends_with("\n\n");
        let end = if keeps_empty_lines {
            written.trim_end_matches(' ').len()
        } else {
            let content = written.trim_end().len();
            written[content..]
                .find('\n')
                .map_or(bytes.end, |feed| content + feed + 1)
        };
        start.unwrap_or(bytes.start)..end
    }

    /// Returns the end of the closing bracket of a flow collection whose last part ends at `byte`. Only
    /// commas, spaces and comments are in between.
    fn bracket_after(&self, byte: usize) -> usize {
        let mut is_comment = false;
        for (at, char) in self.text[byte..].char_indices() {
            match char {
                '\n' => is_comment = false,
                '#' => is_comment = true,
                '}' | ']' if !is_comment => return byte + at + 1,
                _ => {}
            }
        }
        self.text.len()
    }

    fn complete(&mut self, bytes: Range<usize>, form: Form, anchored: bool) {
        let outline = Outline {
            bytes: bytes.clone(),
            form,
            anchored,
        };
        let Some(open) = self.open.last_mut() else {
            self.root = Some(outline);
            return;
        };
        open.anchored |= anchored;
        open.end = bytes.end;
        if let Some((key, key_bytes)) = mem::take(&mut open.key) {
            open.end = open.end.max(key_bytes.end);
            open.lines.push(Line {
                key,
                key_bytes,
                value: outline,
            });
        }
    }
}
