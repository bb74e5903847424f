//! Interpolation: replaces `${…}` in the texts of a tree.
//!
//! A text that consists of a single `${name}` becomes the value itself, with its type and its place. In a
//! longer text, scalars are inserted as text. A name may lead into a map or a list: `${prepare.split}`,
//! `${rates.0}`. `$${` is an escaped `${`.

use super::node::{Entry, Value};
use super::yaml::MAX_DEPTH;
use super::{Diagnostic, Node, Place};

/// Limit for all interpolations of a pipeline together, in units of [`Node::weight`].
const MAX_WEIGHT: usize = 1_000_000;

/// Number of errors after which the expansion ends.
const MAX_ERRORS: usize = 200;

/// State of an expansion: the errors so far, and the remaining budget, so that a few lines of `${…}` cannot
/// grow without bound.
pub(crate) struct Expansion {
    pub errors: Vec<Diagnostic>,
    left: usize,
}

impl Expansion {
    pub(crate) fn new() -> Self {
        Self {
            errors: Vec::new(),
            left: MAX_WEIGHT,
        }
    }

    /// Reports an error and returns `None`, for use in `return`. After too many errors, the budget becomes 0.
    pub(crate) fn report<T>(&mut self, error: Diagnostic) -> Option<T> {
        self.errors.push(error);
        if self.errors.len() >= MAX_ERRORS {
            self.left = 0;
        }
        None
    }

    /// Subtracts a weight from the budget. Returns `None` if the budget is used up, which is reported once.
    pub(crate) fn charge(&mut self, weight: usize, place: &Place) -> Option<()> {
        if self.left == 0 {
            return None;
        }
        self.left = self.left.saturating_sub(weight);
        if self.left == 0 {
            return self.report(Diagnostic::at(
                place,
                format!("the pipeline has more than {MAX_WEIGHT} values once `${{…}}` and `matrix` are expanded"),
            ));
        }
        Some(())
    }
}

/// Looks up the values of names.
pub(super) trait Lookup {
    /// Returns the value of a name that is used at a place. If there is none, reports that and returns
    /// `None`.
    fn lookup(&mut self, name: &str, place: &Place) -> Option<Node>;
    fn expansion(&mut self) -> &mut Expansion;
}

/// Returns the tree with its `${…}` replaced, or `None` if one could not be replaced, which is reported.
pub(super) fn interpolate(node: &Node, lookup: &mut dyn Lookup) -> Option<Node> {
    replace(node, 0, lookup)
}

fn replace(node: &Node, depth: usize, lookup: &mut dyn Lookup) -> Option<Node> {
    let value = match &node.value {
        Value::Text(text) if text.contains("${") => return expand(node, text, depth, lookup),
        Value::List(items) => {
            // Visit all items before returning, so that every error is reported.
            let items: Vec<_> = items
                .iter()
                .map(|item| replace(item, depth + 1, lookup))
                .collect();
            Value::List(items.into_iter().collect::<Option<_>>()?)
        }
        Value::Map(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|entry| {
                    Some(Entry {
                        value: replace(&entry.value, depth + 1, lookup)?,
                        ..entry.clone()
                    })
                })
                .collect();
            Value::Map(entries.into_iter().collect::<Option<_>>()?)
        }
        scalar => scalar.clone(),
    };
    Some(Node {
        value,
        place: node.place.clone(),
        replaced_at: node.replaced_at.clone(),
    })
}

/// Expands a text that contains `${`.
fn expand(node: &Node, text: &str, depth: usize, lookup: &mut dyn Lookup) -> Option<Node> {
    let pieces = match pieces(text) {
        Ok(pieces) => pieces,
        Err(rest) => {
            let error = Diagnostic::at(&node.place.find(rest), "this `${` has no `}`");
            return lookup
                .expansion()
                .report(error.hint("write `$${` for a plain `${`".to_owned()));
        }
    };
    // Once the budget is used up, skip even the lookup.
    lookup.expansion().charge(0, &node.place)?;
    if let [Piece::Name { name, written }] = pieces.as_slice() {
        let place = node.place.find(written);
        let mut found = lookup.lookup(name, &place)?;
        lookup.expansion().charge(found.weight(), &place)?;
        if depth + found.height() > MAX_DEPTH {
            let message = format!("`{written}` nests values more than {MAX_DEPTH} levels deep");
            return lookup.expansion().report(Diagnostic::at(&place, message));
        }
        found.replaced_at = Some(place);
        return Some(found);
    }
    let mut joined = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => joined.push_str(literal),
            Piece::Name { name, written } => {
                let place = node.place.find(written);
                let found = lookup.lookup(name, &place)?;
                lookup.expansion().charge(found.weight(), &place)?;
                let Some(text) = found.scalar_text() else {
                    let message = format!(
                        "`{written}` is {}, which cannot be inserted into a longer text",
                        found.describe()
                    );
                    return lookup.expansion().report(Diagnostic::at(&place, message));
                };
                joined.push_str(&text);
            }
        }
    }
    Some(Node {
        value: Value::Text(joined),
        ..node.clone()
    })
}

enum Piece<'a> {
    Literal(&'a str),
    /// A name, and the whole `${…}` as written.
    Name {
        name: &'a str,
        written: &'a str,
    },
}

impl<'a> Piece<'a> {
    fn as_str(&self) -> &'a str {
        match self {
            Self::Literal(text) => text,
            Self::Name { written, .. } => written,
        }
    }
}

/// Splits a text into literals and names. `Err` contains the text from a `${` that has no `}`.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, &str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if rest[..start].ends_with('$') {
            // `$${` stands for `${`: drop the first `$`.
            pieces.push(Piece::Literal(&rest[..start - 1]));
            pieces.push(Piece::Literal("${"));
            rest = &rest[start + 2..];
            continue;
        }
        let end = start + rest[start..].find('}').ok_or(&rest[start..])?;
        pieces.push(Piece::Literal(&rest[..start]));
        pieces.push(Piece::Name {
            name: rest[start + 2..end].trim(),
            written: &rest[start..=end],
        });
        rest = &rest[end + 1..];
    }
    pieces.push(Piece::Literal(rest));
    pieces.retain(|piece| !piece.as_str().is_empty());
    Ok(pieces)
}

/// Escapes every `${` in a tree, so that interpolating the result gives the tree itself.
pub(super) fn escape(node: &Node) -> Node {
    let value = match &node.value {
        Value::Text(text) => Value::Text(text.replace("${", "$${")),
        Value::List(items) => Value::List(items.iter().map(escape).collect()),
        Value::Map(entries) => {
            let escaped = entries.iter().map(|entry| Entry {
                value: escape(&entry.value),
                ..entry.clone()
            });
            Value::Map(escaped.collect())
        }
        scalar => scalar.clone(),
    };
    Node {
        value,
        ..node.clone()
    }
}

/// Returns whether a tree contains `${`.
pub(super) fn is_needed(node: &Node) -> bool {
    match &node.value {
        Value::Text(text) => text.contains("${"),
        Value::List(items) => items.iter().any(is_needed),
        Value::Map(entries) => entries.iter().any(|entry| is_needed(&entry.value)),
        _ => false,
    }
}

/// Returns the var that a name begins with: `prepare` for `prepare.split`.
pub(super) fn var_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(var, _)| var)
}

/// Returns whether a dotted name equals another or leads into it: `prepare.split` is within `prepare`.
pub(super) fn is_within(part: &str, whole: &str) -> bool {
    let rest = part.strip_prefix(whole);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Adds every name in the `${…}` of a tree to `found`.
pub(super) fn names(node: &Node, found: &mut Vec<String>) {
    match &node.value {
        Value::Text(text) => {
            for piece in pieces(text).unwrap_or_default() {
                if let Piece::Name { name, .. } = piece {
                    found.push(name.to_owned());
                }
            }
        }
        Value::List(items) => items.iter().for_each(|item| names(item, found)),
        Value::Map(entries) => entries.iter().for_each(|entry| names(&entry.value, found)),
        _ => {}
    }
}
