//! Formats keys and values for a pipeline file, each on one line.

use serde_json::Value as Json;

use crate::spec::node::{Entry, Node, Plain, Value};
use crate::spec::scalar;

/// Formats a key, without quotes if YAML allows it.
pub(super) fn key(key: &str) -> String {
    text(key)
}

/// Formats a value in flow style. Parsing it gives the same value. Numbers keep their spelling.
pub(super) fn value(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(plain) => plain.to_string(),
        Value::Number(plain) => plain.to_string(),
        Value::Text(string) => text(string),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(value).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Map(entries) => {
            let entries = entries.iter();
            let entries: Vec<String> = entries
                .map(|entry| format!("{}: {}", key(&entry.key), value(&entry.value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// Returns a value with the spelling to write. Spellings chosen by the user are kept. A computed `1e-5`
/// becomes `1.0e-5`, which YAML 1.1 parsers read as a number, too.
pub(super) fn spelled(node: &Node) -> Node {
    let value = match &node.value {
        Value::Number(plain) if plain.own_spelling().is_none() => {
            let digits = decimal(&plain.to_string());
            Value::Number(Plain::spelled(plain.value.clone(), &digits))
        }
        Value::List(items) => Value::List(items.iter().map(spelled).collect()),
        Value::Map(entries) => {
            let entries = entries.iter().map(|entry| Entry {
                value: spelled(&entry.value),
                ..entry.clone()
            });
            Value::Map(entries.collect())
        }
        other => other.clone(),
    };
    Node {
        value,
        ..node.clone()
    }
}

fn decimal(digits: &str) -> String {
    match digits.split_once('e') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0e{exponent}"),
        _ => digits.to_owned(),
    }
}

fn text(text: &str) -> String {
    // Words that YAML 1.1 parsers read as booleans.
    const WORDS: [&str; 6] = ["yes", "no", "on", "off", "y", "n"];
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '/' | '-');
    let is_plain = text.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && text.chars().all(plain)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
        && matches!(scalar::resolve(text), Ok(Value::Text(_)));
    if is_plain {
        return text.to_owned();
    }
    // A JSON string is a YAML string, except for characters that YAML treats as line breaks or as
    // unprintable.
    let mut quoted = String::new();
    for char in Json::String(text.to_owned()).to_string().chars() {
        match char {
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                quoted += &format!("\\u{:04x}", u32::from(char));
            }
            _ => quoted.push(char),
        }
    }
    quoted
}
