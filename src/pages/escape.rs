//! Escapes text from outside for HTML and SVG.
//!
//! Names, messages, logs and metrics come from pipelines, programs and files that others wrote. All templates escape
//! with [`Markup`], so no template has to remember it.

use std::fmt::{self, Write};

use contract::is_printable;

/// The escaper of all templates. Characters that HTML reserves become references, so text can neither open an element
/// nor end an attribute. Characters that XML forbids or that change the direction of text become visible: `\u001b`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Markup;

impl askama::filters::Escaper for Markup {
    fn write_escaped_str<W: Write>(&self, mut to: W, text: &str) -> fmt::Result {
        write(&mut to, text)
    }

    fn write_escaped_char<W: Write>(&self, mut to: W, char: char) -> fmt::Result {
        write(&mut to, char.encode_utf8(&mut [0; 4]))
    }
}

/// Returns escaped text, for markup that is not written by a template.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    // Writing to a string cannot fail.
    let _ = write(&mut escaped, text);
    escaped
}

/// Returns escaped text that may be broken into lines after `_` and `/` and before `[`. Names of metrics, classes and
/// images are long words to a browser.
pub fn breakable(text: &str) -> String {
    broken(text, |before, after| {
        matches!(before, '_' | '/') || after == '['
    })
}

/// Returns escaped text that may be broken into lines after `.`, `=`, `_` and `/`, but not inside a number: options
/// such as `stages.cnn.params.learning_rate=0.001`.
pub fn breakable_option(text: &str) -> String {
    broken(text, |before, after| match before {
        '=' | '_' | '/' => true,
        '.' => !after.is_ascii_digit(),
        _ => false,
    })
}

/// Returns escaped text that may be broken between two characters if `may_break` says so.
fn broken(text: &str, may_break: impl Fn(char, char) -> bool) -> String {
    let mut broken = String::new();
    let mut start = 0;
    let pairs = text.char_indices().zip(text.chars().skip(1));
    for ((at, before), after) in pairs {
        if may_break(before, after) {
            let end = at + before.len_utf8();
            broken += &escaped(&text[start..end]);
            broken += "<wbr/>";
            start = end;
        }
    }
    broken + &escaped(&text[start..])
}

fn write(to: &mut dyn Write, text: &str) -> fmt::Result {
    let mut plain = 0;
    for (at, char) in text.char_indices() {
        let reference = match char {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\'' => "&#39;",
            '\n' | '\t' => continue,
            char if is_printable(char) && !matches!(char, '\u{fffe}' | '\u{ffff}') => continue,
            _ => "",
        };
        to.write_str(&text[plain..at])?;
        to.write_str(reference)?;
        if reference.is_empty() {
            for unit in char.encode_utf16(&mut [0; 2]) {
                write!(to, "\\u{unit:04x}")?;
            }
        }
        plain = at + char.len_utf8();
    }
    to.write_str(&text[plain..])
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn escaped_text_is_one_text_node_and_one_attribute(text in any::<String>()) {
            let escaped = escaped(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            let page = format!("<p title=\"{escaped}\">{escaped}</p>");
            let page = roxmltree::Document::parse(&page).unwrap();
            let root = page.root_element();
            prop_assert_eq!(root.attributes().count(), 1);
            prop_assert!(root.children().all(|child| child.is_text()));
            if text.chars().all(|char| is_printable(char) && char < '\u{fffe}') {
                prop_assert_eq!(root.text().unwrap_or_default(), text);
            }
        }
    }

    #[test]
    fn names_may_break_after_separators() {
        assert_eq!(breakable("a_b/<c>.png"), "a_<wbr/>b/<wbr/>&lt;c&gt;.png");
        assert_eq!(breakable("average"), "average");
        assert_eq!(breakable("f1[É_b]"), "f1<wbr/>[É_<wbr/>b]");
        assert_eq!(breakable("_"), "_");
    }

    #[test]
    fn options_may_be_broken_but_numbers_may_not() {
        assert_eq!(
            breakable_option("cnn.params.rate=0.001 <a>=b"),
            "cnn.<wbr/>params.<wbr/>rate=<wbr/>0.001 &lt;a&gt;=<wbr/>b"
        );
        assert_eq!(breakable_option(""), "");
    }

    #[test]
    fn characters_that_hide_or_reorder_text_become_visible() {
        assert_eq!(
            escaped("a\u{1b}[2J\u{202e}b\u{0}\n"),
            "a\\u001b[2J\\u202eb\\u0000\n"
        );
    }
}
