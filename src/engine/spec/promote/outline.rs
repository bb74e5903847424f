//! Where the parts of a YAML text stand: bytes, not values.
//!
//! [`Node`](crate::spec::Node)s tell where a *value* stands, which for an alias is somewhere else;
//! who writes into a text has to know where it is *written*.

use std::mem;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::spec::yaml::Offsets;

/// A value as it is written.
#[derive(Debug)]
pub struct Outline {
    /// Without its anchor. Of a block list or map: from its first to its last part.
    pub bytes: Range<usize>,
    pub form: Form,
    /// Whether it has an anchor, or something in it does.
    pub anchored: bool,
}

#[derive(Debug)]
pub enum Form {
    /// Nothing is written at all.
    Empty,
    Scalar,
    Alias,
    List,
    /// In lines, each key on one of its own.
    Block(Vec<Line>),
    /// `{…}`, with so many keys.
    Flow(usize),
}

/// A key of a block map with its value.
#[derive(Debug)]
pub struct Line {
    pub key: String,
    pub key_bytes: Range<usize>,
    pub value: Outline,
}

impl Outline {
    /// The outline of a text that is one YAML document; nothing if it is none.
    pub fn read(text: &str) -> Option<Self> {
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

    /// The lines of a block map; none of anything else.
    pub fn lines(&self) -> &[Line] {
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

/// A list or a map whose end has not come yet.
struct Open {
    start: usize,
    anchored: bool,
    is_map: bool,
    key: Option<(String, Range<usize>)>,
    lines: Vec<Line>,
    /// Where its last part ends.
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
        // The end event of a block comes with whatever follows it, that of a flow with the comment
        // behind it.
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

    /// A block of text from its `|` or `>` to its last line feed. The parser's begins with its first line,
    /// and ends with the empty lines and the spaces that follow it.
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

    /// Behind the closing bracket of a flow whose last part ends at `byte`: only commas, spaces and
    /// comments are in between.
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
