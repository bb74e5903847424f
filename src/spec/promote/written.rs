//! Keys and values as they are written into a pipeline, each on one line.

use serde_json::Value as Json;

use crate::spec::node::Value;
use crate::spec::scalar;

/// A key: bare where YAML lets it.
pub fn key(key: &str) -> String {
    text(key)
}

/// A value in flow style; reading it gives the same value.
pub fn value(value: &Json) -> String {
    match value {
        Json::String(string) => text(string),
        Json::Number(number) => decimal(&number.to_string()),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(self::value).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(entries) if entries.is_empty() => "{}".to_owned(),
        Json::Object(entries) => {
            let entries = entries.iter();
            let entries: Vec<String> = entries
                .map(|(name, inner)| format!("{}: {}", key(name), self::value(inner)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Json::Null | Json::Bool(_) => value.to_string(),
    }
}

/// YAML 1.1 readers take `1e-5` for text, and `1.0e-5` for the number.
fn decimal(digits: &str) -> String {
    match digits.split_once('e') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0e{exponent}"),
        _ => digits.to_owned(),
    }
}

fn text(text: &str) -> String {
    // Words that YAML 1.1 readers take for truth values.
    const WORDS: [&str; 6] = ["yes", "no", "on", "off", "y", "n"];
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '/' | '-');
    let is_plain = text.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && text.chars().all(plain)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
        && matches!(scalar::resolve(text), Ok(Value::Text(_)));
    if is_plain {
        return text.to_owned();
    }
    // A JSON text is a YAML text, but for what YAML takes for line feeds or nothing printable.
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
