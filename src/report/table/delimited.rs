//! Tables for spreadsheets.

use super::{Cell, Filled};

/// Comma-separated values: per column of the table its value, the ends of its interval and the
/// reference's value. What is missing is left empty.
pub(super) fn csv(filled: &Filled<'_>) -> String {
    let mut header = vec![filled.table.rows.clone()];
    for column in &filled.table.columns {
        header.push(column.title.clone());
        header.extend(
            ["low", "high", &column.reference_label].map(|end| format!("{} {end}", column.title)),
        );
    }
    let mut text = line(&header);
    for (row, cells) in &filled.rows {
        let mut fields = vec![(*row).to_owned()];
        for (_, cell, reference) in filled.cells(row, cells) {
            let (value, interval) = match cell {
                Cell::Value { value, interval } => (Some(*value), *interval),
                Cell::Missing(_) => (None, None),
            };
            let [low, high] = interval.map_or([None; 2], |ends| ends.map(Some));
            let number =
                |number: Option<f64>| number.map_or(String::new(), |number| number.to_string());
            fields.extend([value, low, high, reference].map(number));
        }
        text.push_str(&line(&fields));
    }
    text
}

/// A line of fields, in quotes where RFC 4180 asks for them.
pub fn line(fields: &[String]) -> String {
    let quoted = |field: &String| {
        if field.contains(['"', ',', '\r', '\n']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.clone()
        }
    };
    fields.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n"
}
