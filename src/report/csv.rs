//! Renders CSV.

/// Joins fields into a line, with quotes where RFC 4180 requires them.
///
/// Spreadsheets read a field that begins with `=`, `+`, `-` or `@` as a formula, which can start programs.
/// Such a field is prefixed with `'`, which marks it as text, unless it is a number.
pub fn line(fields: &[String]) -> String {
    let quoted = |field: &String| {
        let is_formula =
            field.starts_with(['=', '+', '-', '@', '\t', '\r']) && field.parse::<f64>().is_err();
        let text = format!("{}{field}", if is_formula { "'" } else { "" });
        if text.contains(['"', ',', '\r', '\n']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    };
    fields.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n"
}
