//! Parses a YAML text: turns the parser's events into a tree of [`Node`]s with their places.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::node::{Entry, Value};
use super::scalar::{self, Unrepresentable};
use super::{Diagnostic, Node, Place, Source};

/// Maximum nesting depth of a document.
pub(super) const MAX_DEPTH: usize = 64;
/// Maximum size of a document in bytes.
pub(super) const MAX_BYTES: usize = 8 << 20;
/// Maximum number of values in a document with its aliases expanded.
const MAX_NODES: usize = 1_000_000;

/// Parses a part of a source as a single YAML document. An empty text is null.
pub(super) fn parse(source: &Arc<Source>, part: Range<usize>) -> Result<Node, Diagnostic> {
    let text = &source.text()[part.clone()];
    if text.len() > MAX_BYTES {
        return Err(Diagnostic::at(
            &source.place(part.start..part.start),
            "this file is too large for a pipeline",
        )
        .note(format!("at most {MAX_BYTES} bytes are read")));
    }
    let offsets = Offsets::new(text, part.start);
    let mut builder = Builder {
        source,
        offsets: &offsets,
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        root: None,
    };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let byte = offsets.byte(error.marker().index());
            // Show an error at the end of the text directly after the last visible character.
            let byte = byte.min(part.start + text.trim_end().len());
            Diagnostic::at(
                &source.place(byte..byte),
                format!("this is not valid YAML: {}", error.info()),
            )
            .hint(unquoted_instance(source.text(), byte))
        })?;
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                let place = builder.place(span);
                return Err(Diagnostic::at(
                    &place,
                    "a second YAML document starts here, but only one is allowed",
                ));
            }
        }
        builder.event(event, span)?;
    }
    Ok(builder
        .root
        .unwrap_or_else(|| Node::new(Value::Null, source.place(part.end..part.end))))
}

/// Returns a hint about a reference to an instance without quotes, such as `cnn[large]`, whose bracket YAML takes for the
/// start of a list. `byte` is the place of the error.
fn unquoted_instance(text: &str, byte: usize) -> Option<String> {
    let after = text.get(byte..)?.strip_prefix('[')?;
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let before = text.get(..byte)?;
    let name = &before[before.trim_end_matches(is_part).len()..];
    let (values, _) = after.lines().next()?.split_once(']')?;
    (!name.is_empty()).then(|| format!("put quotes around an instance: `\"{name}[{values}]\"`"))
}

/// Converts the parser's positions, counted in characters, to bytes of the source.
pub(super) struct Offsets {
    /// Byte offset of every character; empty if all characters are one byte long.
    bytes: Vec<usize>,
    start: usize,
    end: usize,
}

impl Offsets {
    pub(super) fn new(text: &str, start: usize) -> Self {
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(byte, _)| byte).collect()
        };
        Self {
            bytes,
            start,
            end: start + text.len(),
        }
    }

    pub(super) fn byte(&self, character: usize) -> usize {
        if self.bytes.is_empty() {
            (self.start + character).min(self.end)
        } else {
            self.bytes
                .get(character)
                .map_or(self.end, |byte| self.start + byte)
        }
    }
}

struct Builder<'a> {
    source: &'a Arc<Source>,
    offsets: &'a Offsets,
    open: Vec<Open>,
    /// Complete anchored values with their weights. Values that are still open are not in it, so no value can
    /// contain itself.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<Node>,
}

/// A list or map whose end has not been reached yet.
struct Open {
    start: Place,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        index: HashMap<String, usize>,
        key: Option<(String, Place)>,
    },
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let place = self.place(span);
                let place = match style {
                    // The parser's range includes a comment that follows.
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                        place.part(0..quoted_length(place.text()))
                    }
                    _ => place,
                };
                check_tag(tag.is_some(), &place)?;
                if self.expects_key() {
                    return self.key(&text, style, place);
                }
                let value = match style {
                    ScalarStyle::Plain => {
                        scalar::resolve(&text).map_err(|reason| unrepresentable(reason, &place))?
                    }
                    _ => Value::Text(text.into_owned()),
                };
                self.complete(Node::new(value, place), anchor, 1)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(span, anchor, tag.is_some(), Content::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                let content = Content::Map {
                    entries: Vec::new(),
                    index: HashMap::new(),
                    key: None,
                };
                self.open(span, anchor, tag.is_some(), content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => {
                let place = self.place(span);
                if self.expects_key() {
                    return Err(Diagnostic::at(
                        &place,
                        "a key cannot be an alias: write it out",
                    ));
                }
                let Some((_, weight)) = self.anchors.get(&anchor) else {
                    return Err(Diagnostic::at(
                        &place,
                        "this alias is inside the value that it refers to",
                    ));
                };
                let weight = *weight;
                self.charge(weight, &place)?;
                let node = self.anchors[&anchor].0.clone();
                if self.open.len() + node.height() > MAX_DEPTH {
                    return Err(too_deep(&place));
                }
                self.complete(node, 0, 0)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn place(&self, span: Span) -> Place {
        self.source
            .place(self.offsets.byte(span.start.index())..self.offsets.byte(span.end.index()))
    }

    fn expects_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                content: Content::Map { key: None, .. },
                ..
            })
        )
    }

    fn open(
        &mut self,
        span: Span,
        anchor: usize,
        tagged: bool,
        content: Content,
    ) -> Result<(), Diagnostic> {
        let start = self.place(span);
        check_tag(tagged, &start)?;
        if self.expects_key() {
            return Err(
                Diagnostic::at(&start, "a key must be a plain name, not a list or a map")
                    .hint("a text that starts with `{`, `[` or `?` must be in quotes".to_owned()),
            );
        }
        if self.open.len() == MAX_DEPTH {
            return Err(too_deep(&start));
        }
        self.open.push(Open {
            start,
            anchor,
            content,
        });
        Ok(())
    }

    fn close(&mut self, span: Span) -> Result<(), Diagnostic> {
        let Some(Open {
            start,
            anchor,
            content,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        let (value, last) = match content {
            Content::List(items) => {
                let last = items.last().map(|item| item.place.clone());
                (Value::List(items), last)
            }
            Content::Map { entries, .. } => {
                let last = entries
                    .last()
                    .map(|entry| entry.key_place.to(&entry.value.place));
                (Value::Map(entries), last)
            }
        };
        // The end event of a flow collection begins at its closing bracket. That of a block comes with the
        // next token, maybe lines later, so a block ends with its last value.
        let end = self.place(span);
        let end = if end.text().is_empty() {
            last.unwrap_or_else(|| start.clone())
        } else {
            end.part(0..1)
        };
        let node = Node::new(value, start.to(&end));
        self.complete(node, anchor, 1)
    }

    fn key(&mut self, text: &str, style: ScalarStyle, place: Place) -> Result<(), Diagnostic> {
        if text == "<<" && style == ScalarStyle::Plain {
            return Err(
                Diagnostic::at(&place, "merge keys (`<<`) are not supported").hint(
                    "put the shared value under `vars:` and refer to it as `${name}`".to_owned(),
                ),
            );
        }
        let Some(Open {
            content:
                Content::Map {
                    entries,
                    index,
                    key,
                },
            ..
        }) = self.open.last_mut()
        else {
            return Ok(());
        };
        if let Some(&first) = index.get(text) {
            return Err(Diagnostic::at(&place, format!("duplicate key `{text}`"))
                .note(format!("first given at {}", entries[first].key_place)));
        }
        *key = Some((text.to_owned(), place));
        Ok(())
    }

    /// Adds a finished value to the innermost open list or map, or makes it the root.
    fn complete(&mut self, node: Node, anchor: usize, weight: usize) -> Result<(), Diagnostic> {
        self.charge(weight, &node.place)?;
        if anchor != 0 {
            let weight = node.weight();
            self.charge(weight, &node.place)?;
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open {
                content: Content::List(items),
                ..
            }) => items.push(node),
            Some(Open {
                content:
                    Content::Map {
                        entries,
                        index,
                        key,
                    },
                ..
            }) => {
                if let Some((key, key_place)) = key.take() {
                    index.insert(key.clone(), entries.len());
                    entries.push(Entry {
                        key,
                        key_place,
                        value: node,
                    });
                }
            }
        }
        Ok(())
    }

    fn charge(&mut self, nodes: usize, place: &Place) -> Result<(), Diagnostic> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(Diagnostic::at(
                place,
                format!(
                    "the document has more than {MAX_NODES} values once its aliases are expanded"
                ),
            ));
        }
        Ok(())
    }
}

/// Returns the length in bytes, including quotes, of the quoted scalar at the start of a text.
fn quoted_length(text: &str) -> usize {
    let mut chars = text.char_indices();
    let quote = chars.next().map(|(_, quote)| quote);
    while let Some((at, char)) = chars.next() {
        let is_doubled = || quote == Some('\'') && text[at + 1..].starts_with('\'');
        if char == '\\' && quote == Some('"') {
            chars.next();
        } else if Some(char) == quote {
            if !is_doubled() {
                return at + 1;
            }
            chars.next();
        }
    }
    text.len()
}

fn too_deep(place: &Place) -> Diagnostic {
    Diagnostic::at(
        place,
        format!("this is nested more than {MAX_DEPTH} levels deep"),
    )
}

fn check_tag(tagged: bool, place: &Place) -> Result<(), Diagnostic> {
    if tagged {
        return Err(
            Diagnostic::at(place, "tags (`!name`) are not supported").hint(
                "a text that looks like a number, or starts with `!`, must be in quotes".to_owned(),
            ),
        );
    }
    Ok(())
}

fn unrepresentable(reason: Unrepresentable, place: &Place) -> Diagnostic {
    let message = match reason {
        Unrepresentable::NotFinite => format!("`{}` is not a finite number", place.text()),
        Unrepresentable::TooLarge => format!("`{}` does not fit into 64 bits", place.text()),
    };
    Diagnostic::at(place, message).hint("put it in quotes if it is meant as text".to_owned())
}
