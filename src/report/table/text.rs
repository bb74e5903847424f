//! Tables as text: `0.918 [0.89, 0.94] (paper 0.95) ✓`, or `0.918 ± 0.012 [0.90, 0.93]` for several seeds.

use contract::analysis::Summary;

use super::{Cell, Filled, Shown, notes};
use crate::report::grid::Grid;

/// Formats every cell as text.
pub(super) fn grid(filled: &Filled<'_>) -> Grid {
    let table = filled.table;
    let titles = table.columns.iter().map(|column| column.title.clone());
    let row = |(row, cells): &(&str, Vec<Cell>)| {
        let cells = filled.cells(row, cells).map(|shown| cell(&shown));
        std::iter::once((*row).to_owned()).chain(cells).collect()
    };
    Grid {
        name: table.name.clone(),
        title: table.title.clone(),
        header: std::iter::once(table.rows.clone()).chain(titles).collect(),
        rows: filled.rows.iter().map(row).collect(),
        notes: notes::notes(filled),
    }
}

fn cell(shown: &Shown<'_>) -> String {
    let mut text = match shown.cell {
        Cell::Value(_) => value(shown) + &deviation(shown, "±") + &interval(shown),
        Cell::Missing(reason) => reason.clone(),
    };
    if let Some(figure) = shown.reference {
        let label = &shown.column.reference_label;
        text += &format!(" ({label} {})", as_printed(figure));
    }
    if let Some(verdict) = shown.verdict() {
        text += &format!(" {}", verdict.sign());
        let failed: Vec<String> = shown.failed().map(|bounds| bounds.to_string()).collect();
        if !failed.is_empty() {
            text += &format!(" {}", failed.join(", "));
        }
    }
    text
}

/// The value with three decimals, or with as many as it takes to show on which side of a bound it is.
pub(super) fn value(shown: &Shown<'_>) -> String {
    let Cell::Value(Summary { mean: value, .. }) = shown.cell else {
        return String::new();
    };
    let bounds = shown.judgements.iter().map(|judgement| judgement.bounds);
    let texts = bounds.map(|bounds| bounds.figure(*value));
    texts
        .max_by_key(String::len)
        .unwrap_or_else(|| format!("{value:.3}"))
}

/// ` ± 0.012`, the standard deviation over several seeds, or an empty string.
pub(super) fn deviation(shown: &Shown<'_>, sign: &str) -> String {
    match shown.cell {
        Cell::Value(Summary { sd: Some(sd), .. }) => format!(" {sign} {sd:.3}"),
        _ => String::new(),
    }
}

/// ` [0.89, 0.94]`, or an empty string.
pub(super) fn interval(shown: &Shown<'_>) -> String {
    match shown.cell {
        Cell::Value(Summary {
            interval: Some(interval),
            ..
        }) => {
            let [low, high] = interval.ends;
            format!(" [{low:.2}, {high:.2}]")
        }
        _ => String::new(),
    }
}

/// A reference value in the way papers print it: a single decimal is filled up to two (`0.80`).
pub(super) fn as_printed(value: f64) -> String {
    let text = value.to_string();
    match text.split_once('.') {
        Some((_, decimals)) if decimals.len() == 1 => text + "0",
        _ => text,
    }
}
