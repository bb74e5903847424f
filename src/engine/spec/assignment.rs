//! Assignments of values to paths in a document. They come from `--set NAME=VALUE`, from options that set a
//! key, and from profiles and sweeps.

use std::sync::Arc;

use super::node::Value;
use super::{Diagnostic, KeyOption, Node, Place, Source, yaml};

/// Sections of a document that a dotted path may begin with.
pub(super) const SECTIONS: [&str; 8] = [
    "include", "vars", "profiles", "models", "stages", "tables", "expect", "sweep",
];

/// An assignment `NAME=VALUE`: a dotted path, with the place of each piece, and the value to put there.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    pub path: Vec<(String, Place)>,
    pub value: Node,
    /// `true` if the path always means a key of the document, even if a var has the same name.
    pub(super) is_own: bool,
}

impl Assignment {
    /// Creates an assignment to a var (`dropout`) or a parameter (`cnn.params.dropout`).
    pub(crate) fn of(name: &str, place: &Place, value: Node) -> Self {
        let mut path = pieces(place, name);
        if let [(first, _), _, ..] = path.as_slice()
            && !SECTIONS.contains(&first.as_str())
        {
            path.insert(0, ("stages".to_owned(), place.clone()));
        }
        Self {
            path,
            value,
            is_own: false,
        }
    }

    /// Creates an assignment to a key of the document. The path is not written anywhere, so all its pieces get
    /// the same place.
    pub(crate) fn own(path: &[&str], place: &Place, value: Node) -> Self {
        // Names of included stages contain dots.
        let pieces = path.iter().flat_map(|piece| piece.split('.'));
        Self {
            path: pieces
                .map(|piece| (piece.to_owned(), place.clone()))
                .collect(),
            value,
            is_own: true,
        }
    }
}

/// Splits a dotted name that is written at `place`. If the place contains the name verbatim, each piece gets its
/// own place; otherwise each piece gets the whole place.
fn pieces(place: &Place, name: &str) -> Vec<(String, Place)> {
    let whole = place.find(name);
    let is_whole = whole.text() == name;
    let mut start = 0;
    let pieces = name.split('.').map(|piece| {
        let place = if is_whole {
            whole.part(start..start + piece.len())
        } else {
            place.clone()
        };
        start += piece.len() + 1;
        (piece.to_owned(), place)
    });
    pieces.collect()
}

/// Parses an assignment as typed. The value is parsed as YAML.
pub(super) fn read_set(assignment: &str) -> Result<Assignment, Diagnostic> {
    let source = Source::set(assignment);
    let given = source.given();
    let Some(equals) = assignment.find('=') else {
        return Err(
            Diagnostic::at(&source.place(given), "expected `NAME=VALUE`")
                .hint("for example `-S epochs=3` or `-S stages.cnn.params.epochs=3`".to_owned()),
        );
    };
    let path = path(&source, given.start, &assignment[..equals]);
    let written = source.place(given.start + equals + 1..given.end);
    let quoted = |error: Diagnostic| match error.hint {
        Some(_) => error,
        None => error.hint(in_quotes(assignment, equals)),
    };
    let value = yaml::parse(&source, written.bytes()).map_err(quoted)?;
    read_whole(&value, &written).map_err(quoted)?;
    Ok(Assignment {
        path,
        value,
        is_own: false,
    })
}

/// Refuses an assignment if YAML takes only a part of its text as the value. The rest may be a comment, an
/// anchor, a directive or a document end marker, which are never intended here.
fn read_whole(value: &Node, written: &Place) -> Result<(), Diagnostic> {
    let (read, whole) = (value.place.bytes(), written.bytes());
    let before = written.part(0..read.start.saturating_sub(whole.start));
    let behind = written.part(read.end.saturating_sub(whole.start)..whole.len());
    // The parser's range of a block scalar begins after its `|` or `>`.
    let is_header = |text: &str| {
        let indicators = text.strip_prefix(['|', '>']);
        indicators.is_some_and(|rest| rest.chars().all(|c| "+-123456789".contains(c)))
    };
    // Only an anchor begins with `&`. The parser's range of the value may include it.
    let anchor = match written.text().trim_start() {
        text if text.starts_with('&') => {
            written.find(text.split_whitespace().next().unwrap_or(text))
        }
        _ => written.part(0..0),
    };
    for part in [anchor, before, behind] {
        let text = part.text().trim();
        if !text.is_empty() && !is_header(text) {
            let message =
                format!("YAML does not read `{text}` as part of the value, so it would be lost");
            return Err(Diagnostic::at(&part.find(text), message));
        }
    }
    Ok(())
}

/// Returns the hint for a value that YAML does not read as the text that was typed.
fn in_quotes(assignment: &str, equals: usize) -> String {
    let (name, value) = (&assignment[..equals], assignment[equals + 1..].trim());
    match value.contains(['\'', '"', '\\', '\n']) {
        true => "put the value in YAML quotes if it is meant as text".to_owned(),
        false => {
            format!("put the value in quotes if it is meant as text: `-S '{name}=\"{value}\"'`")
        }
    }
}

/// Returns the assignment that an option makes.
pub(super) fn of_option(option: &KeyOption) -> Assignment {
    let value = Node::new(Value::Text(option.value.clone()), option.place.clone());
    Assignment::own(&[option.key], &option.place, value)
}

/// Returns an error for each typed assignment that contradicts a typed option.
pub(super) fn contradictions(
    options: &[KeyOption],
    sets: &[Result<Assignment, Diagnostic>],
) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    for option in options.iter().filter(|option| option.is_typed) {
        for set in sets.iter().flatten() {
            let [(key, place)] = set.path.as_slice() else {
                continue;
            };
            if key == option.key && set.value.as_text() != Some(&option.value) {
                let message = format!("`{}` sets `{key}` to another value", option.place);
                let hint = "remove one of the two".to_owned();
                errors.push(Diagnostic::at(place, message).hint(hint));
            }
        }
    }
    errors
}

/// Splits a dotted path that begins at byte `start` of a source. Each piece gets its own place.
fn path(source: &Arc<Source>, start: usize, text: &str) -> Vec<(String, Place)> {
    let mut start = start;
    text.split('.')
        .map(|piece| {
            let place = source.place(start..start + piece.len());
            start += piece.len() + 1;
            (piece.to_owned(), place)
        })
        .collect()
}
