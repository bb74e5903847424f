//! Formats values in few characters.

use serde_json::Value;

/// A value as text of at most `longest` characters. Fractions are rounded to three significant digits.
pub fn value(value: &Value, longest: usize) -> String {
    let text = match value {
        Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(String::new, short),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    cut(&text, longest)
}

/// Cuts a text to at most `longest` characters. The last one is `…` if some are missing.
pub fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let kept = longest.saturating_sub(1);
    text.chars().take(kept).chain(['…']).collect()
}

/// `0.00123`, `1.2e-5`, `1230`.
fn short(number: f64) -> String {
    let rounded: f64 = format!("{number:.2e}").parse().unwrap_or(number);
    let shown = if number.fract() == 0.0 {
        number
    } else {
        rounded
    };
    if shown == 0.0 || (1e-3..1e6).contains(&shown.abs()) {
        shown.to_string()
    } else {
        format!("{shown:e}")
    }
}
