//! Escapes text from outside for display in a terminal.
//!
//! Names, messages and logs come from pipelines, programs and files that others wrote. A control character in
//! them can move the cursor or change the window's title or the clipboard. A bidirectional control character
//! can make text appear in a different order. Both are escaped as in JSON (`\u001b`), so that escaped JSON
//! output has the same meaning.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

/// Returns whether a character can be shown as it is. Line breaks and tabs count as control characters here.
pub fn is_printable(character: char) -> bool {
    let is_hidden = matches!(
        character,
        // Marks, embeddings, overrides and isolates of bidirectional text.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // Line and paragraph separators, a byte order mark, tags.
        | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    );
    !is_hidden && !character.is_control()
}

/// Escapes the characters that a terminal would act on. Line breaks and tabs are kept.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |character| {
        is_printable(character) || matches!(character, '\n' | '\t')
    })
}

/// Like [`printable`], but also escapes line breaks and tabs. Use it for names and values inside a message: a
/// line break in them would add a line that looks like a separate message.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_printable)
}

/// Shows paths in messages.
pub trait ShowPath {
    /// Returns the path as [`one_line`] does, with control characters and line breaks escaped.
    fn shown(&self) -> String;
}

impl ShowPath for Path {
    fn shown(&self) -> String {
        one_line(&self.to_string_lossy()).into_owned()
    }
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(&stays) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            _ if stays(character) => escaped.push(character),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_control_characters_is_unchanged() {
        for text in ["", "plain", "übung 画像 👩‍⚕️ ±✓…", "a\tb\nc"] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn characters_that_a_terminal_acts_on_are_escaped() {
        assert_eq!(printable("a\u{1b}[2Jb\u{7}"), "a\\u001b[2Jb\\u0007");
        assert_eq!(printable("\u{9b}31m\u{7f}"), "\\u009b31m\\u007f");
        assert_eq!(printable("\u{202e}txet"), "\\u202etxet");
        assert_eq!(printable("a\rb"), "a\\rb");
        assert_eq!(printable("\u{e0041}"), "\\udb40\\udc41");
    }

    #[test]
    fn one_line_has_no_line_breaks() {
        assert_eq!(one_line("a\nerror: b\tc"), "a\\nerror: b\\tc");
        assert_eq!(one_line("a\u{2028}b"), "a\\u2028b");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({ "\u{202e}\u{9b}": "\u{1b}\u{feff}\u{e0041}" });
        let text = value.to_string();
        let shown = printable(&text);
        assert!(shown.chars().all(is_printable));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            value
        );
    }
}
