//! Writes SVG.

use std::borrow::Cow;

use contract::analysis::Figure;
use contract::{Failure, one_line};

use super::description::describe;

/// Returns the figure as an `<svg>` element.
pub(super) fn page(figure: &Figure<'_>, prefix: &str) -> Result<String, Failure> {
    let description = describe(figure);
    let prefix = id(prefix);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 1280 840\" \
         aria-labelledby=\"{prefix}-title {prefix}-desc\"><title id=\"{prefix}-title\">{}</title>\
         <desc id=\"{prefix}-desc\">{}</desc></svg>",
        escaped(&description.title),
        escaped(&description.text)
    ))
}

fn id(prefix: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    prefix
        .chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect()
}

/// Escapes text for element content and for attribute values.
pub(super) fn escaped(text: &str) -> String {
    let printable: Cow<'_, str> = one_line(text);
    let mut escaped = String::with_capacity(printable.len());
    for character in printable.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Not allowed in XML.
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
