//! The tree of values ([`Node`]s) that a pipeline is parsed into. Every value has its place in a source text.

use std::borrow::Cow;
use std::fmt;

use contract::Segment;
use serde_json::Number;

use super::Place;

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    pub value: Value,
    pub place: Place,
    /// Place of the `${…}`, or of the name of a model, that this value replaces.
    pub replaced_at: Option<Place>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(Plain<bool>),
    /// Whole numbers are kept as such. Never infinite or NaN.
    Number(Plain<Number>),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A number or boolean together with its spelling: `3.10`, `0x10`, `TRUE`. Equality compares both;
/// [`Node::has_same_value`] compares only values.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain<T> {
    pub value: T,
    /// `None` if the spelling equals the value's `Display` text.
    spelling: Option<Box<str>>,
}

impl<T: fmt::Display> Plain<T> {
    /// Creates a computed value, which has its canonical spelling.
    pub fn new(value: T) -> Self {
        Self {
            value,
            spelling: None,
        }
    }

    pub fn spelled(value: T, spelling: &str) -> Self {
        let canonical = value.to_string();
        Self {
            value,
            spelling: (canonical != spelling).then(|| spelling.into()),
        }
    }

    /// Returns the spelling if it differs from the canonical one.
    pub fn own_spelling(&self) -> Option<&str> {
        self.spelling.as_deref()
    }
}

impl<T: fmt::Display> fmt::Display for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.spelling {
            Some(spelling) => f.write_str(spelling),
            None => self.value.fmt(f),
        }
    }
}

/// Nodes are equal if their values and spellings are; places do not matter.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A key of a map with its value. Keys are distinct and keep their order.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    pub key_place: Place,
    pub value: Node,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.value == other.value
    }
}

impl Node {
    pub fn new(value: Value, place: Place) -> Self {
        Self {
            value,
            place,
            replaced_at: None,
        }
    }

    /// Returns the value of a key, or `None` if there is none or the node is not a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// Returns the value of a key of a map, or the item at an index of a list.
    pub fn step(&self, piece: &str) -> Option<&Node> {
        let item = || self.items().get(piece.parse::<usize>().ok()?);
        self.get(piece).or_else(item)
    }

    /// Returns the value at one segment of a path.
    pub fn child(&self, segment: &Segment) -> Option<&Node> {
        match segment {
            Segment::Key(key) => self.get(key),
            Segment::Index(index) => self.items().get(*index),
        }
    }

    /// Returns the longest prefix of a path that exists in the tree.
    pub fn existing<'a>(&self, path: &'a [Segment]) -> &'a [Segment] {
        let mut node = self;
        for (length, segment) in path.iter().enumerate() {
            match node.child(segment) {
                Some(child) => node = child,
                None => return &path[..length],
            }
        }
        path
    }

    /// Returns the entries of a map; empty for any other value.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub fn entries_mut(&mut self) -> &mut [Entry] {
        match &mut self.value {
            Value::Map(entries) => entries,
            _ => &mut [],
        }
    }

    /// Returns the items of a list; empty for any other value.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns whether two nodes have the same value, regardless of how numbers and booleans are spelled.
    pub fn has_same_value(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Bool(ours), Value::Bool(theirs)) => ours.value == theirs.value,
            (Value::Number(ours), Value::Number(theirs)) => ours.value == theirs.value,
            (Value::List(ours), Value::List(theirs)) => {
                ours.len() == theirs.len()
                    && ours.iter().zip(theirs).all(|(a, b)| a.has_same_value(b))
            }
            (Value::Map(ours), Value::Map(theirs)) => {
                let same =
                    |(a, b): (&Entry, &Entry)| a.key == b.key && a.value.has_same_value(&b.value);
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(same)
            }
            (ours, theirs) => ours == theirs,
        }
    }

    /// Returns the tree in which the numbers and booleans at and below `paths` are replaced by text, as they are
    /// spelled. A path is dotted (`source.folder`), and a piece `*` stands for every item of a list.
    pub fn with_texts(&self, paths: &[&str]) -> Cow<'_, Self> {
        if paths.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut tree = self.clone();
        for path in paths {
            let pieces: Vec<&str> = path.split('.').collect();
            tree.make_texts(&pieces);
        }
        Cow::Owned(tree)
    }

    fn make_texts(&mut self, path: &[&str]) {
        match (&mut self.value, path) {
            (Value::List(items), ["*", rest @ ..]) => {
                items.iter_mut().for_each(|item| item.make_texts(rest));
            }
            (Value::Map(entries), [key, rest @ ..]) => {
                let meant = entries.iter_mut().filter(|entry| entry.key == *key);
                meant.for_each(|entry| entry.value.make_texts(rest));
            }
            (Value::List(items), []) => items.iter_mut().for_each(|item| item.make_texts(path)),
            (Value::Map(entries), []) => {
                let values = entries.iter_mut().map(|entry| &mut entry.value);
                values.for_each(|value| value.make_texts(path));
            }
            (Value::Bool(_) | Value::Number(_), []) => {
                self.value = Value::Text(self.scalar_text().unwrap_or_default());
            }
            _ => {}
        }
    }

    /// Returns a scalar as written (`3.10`, `+5`), or `None` for a list, a map or null.
    pub fn scalar_text(&self) -> Option<String> {
        match &self.value {
            Value::Bool(value) => Some(value.to_string()),
            Value::Number(number) => Some(number.to_string()),
            Value::Text(text) => Some(text.clone()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Describes the value in a few words: ``the text `x` ``, `a list`.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "an empty value".to_owned(),
            Value::Bool(value) => format!("`{value}`"),
            Value::Number(number) => format!("the number `{number}`"),
            Value::Text(text) => format!("the text `{text}`"),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }

    /// Returns the size of the tree: the number of values, plus the length of texts in units of 64 bytes.
    pub fn weight(&self) -> usize {
        1 + match &self.value {
            Value::Text(text) => text.len() / 64,
            Value::List(items) => items.iter().map(Node::weight).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.value.weight()).sum(),
            _ => 0,
        }
    }

    /// Returns the nesting depth of lists and maps; 0 for a scalar.
    pub fn height(&self) -> usize {
        match &self.value {
            Value::List(items) => 1 + items.iter().map(Node::height).max().unwrap_or(0),
            Value::Map(entries) => {
                1 + entries
                    .iter()
                    .map(|entry| entry.value.height())
                    .max()
                    .unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// Converts the tree to JSON, for a stage's parameters.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(plain) => Json::Bool(plain.value),
            Value::Number(plain) => Json::Number(plain.value.clone()),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => Json::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.to_json()))
                    .collect(),
            ),
        }
    }

    /// Follows a path as far as it exists. `key` is the place of the key that leads to this node.
    pub fn locate(&self, key: &Place, path: &[Segment]) -> Located<'_> {
        let mut located = Located {
            node: self,
            key: Some(key.clone()),
            replaced_at: self.replaced_at.clone(),
            complete: true,
        };
        for segment in path {
            let found = match segment {
                Segment::Key(name) => located
                    .node
                    .entry(name)
                    .map(|entry| (&entry.value, Some(entry.key_place.clone()))),
                Segment::Index(index) => located.node.items().get(*index).map(|item| (item, None)),
            };
            let Some((node, key)) = found else {
                located.complete = false;
                break;
            };
            located = Located {
                node,
                key,
                replaced_at: located.replaced_at.or_else(|| node.replaced_at.clone()),
                complete: true,
            };
        }
        located
    }
}

/// The node at the end of a path; see [`Node::locate`].
pub struct Located<'a> {
    pub node: &'a Node,
    /// Place of the key that leads to the node, or `None` for an item of a list.
    pub key: Option<Place>,
    /// Place of the outermost `${…}` on the path.
    pub replaced_at: Option<Place>,
    /// `true` if the whole path exists.
    pub complete: bool,
}

impl Located<'_> {
    /// Returns the place of the value, or of its key if the value spans several lines or is not written at all. For
    /// an item of a list, always returns the place of the value.
    pub fn place(&self) -> Place {
        match &self.key {
            Some(key) if !self.node.place.is_one_line() || self.node.place.text().is_empty() => {
                key.clone()
            }
            _ => self.node.place.clone(),
        }
    }

    /// Returns the key's place, or the value's for an item of a list.
    pub fn key_place(&self) -> Place {
        self.key.clone().unwrap_or_else(|| self.node.place.clone())
    }
}

/// Returns the entries of a section; empty if it is missing.
pub(super) fn section<'a>(document: &'a Node, key: &str) -> &'a [Entry] {
    document.get(key).map(Node::entries).unwrap_or_default()
}
