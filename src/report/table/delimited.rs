//! Tables for spreadsheets.

use super::{Cell, Filled};
use crate::graph::Column;

/// Comma-separated values: per column of the table its value, the ends of its interval and the
/// reference's value; where something is expected in it, also the verdict and the bounds. What is missing
/// is left empty.
pub(super) fn csv(filled: &Filled<'_>) -> String {
    let mut header = vec![filled.table.rows.clone()];
    for column in &filled.table.columns {
        header.push(column.title.clone());
        let named = |what: &str| format!("{} {what}", column.title);
        header.extend(["low", "high", &column.reference_label].map(named));
        if is_judged(filled, column) {
            header.extend(["verdict", "expected"].map(named));
        }
    }
    let mut text = line(&header);
    for (row, cells) in &filled.rows {
        let mut fields = vec![(*row).to_owned()];
        for shown in filled.cells(row, cells) {
            let (value, interval) = match shown.cell {
                Cell::Value { value, interval } => (Some(*value), *interval),
                Cell::Missing(_) => (None, None),
            };
            let [low, high] = interval.map_or([None; 2], |ends| ends.map(Some));
            let number =
                |number: Option<f64>| number.map_or(String::new(), |number| number.to_string());
            fields.extend([value, low, high, shown.reference].map(number));
            if is_judged(filled, shown.column) {
                let verdict = shown.verdict();
                fields.push(verdict.map_or(String::new(), |verdict| verdict.to_string()));
                let all = shown.judgements.iter();
                let bounds: Vec<String> = all.map(|one| one.bounds.to_string()).collect();
                fields.push(bounds.join("; "));
            }
        }
        text.push_str(&line(&fields));
    }
    text
}

/// Whether something is expected in a row of this column.
fn is_judged(filled: &Filled<'_>, column: &Column) -> bool {
    let mut rows = filled.rows.iter();
    rows.any(|(row, _)| !filled.judgements(row, column).is_empty())
}

/// A line of fields, in quotes where RFC 4180 asks for them.
pub(super) fn line(fields: &[String]) -> String {
    let quoted = |field: &String| {
        if field.contains(['"', ',', '\r', '\n']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.clone()
        }
    };
    fields.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n"
}
