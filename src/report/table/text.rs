//! Tables as text: `0.918 [0.89, 0.94] (paper 0.95) ✓`, or `0.918 ± 0.012 [0.90, 0.93]` for several seeds, or
//! `0.918 [0.89, 0.94] (folds 0.915 ± 0.031)` for a cross-validation.

use contract::analysis::{FoldSpread, Summary};
use engine::graph::Row;
use engine::wording;

use super::{Cell, Filled, Shown, axes_of, notes, values_of};
use crate::report::grid::Grid;

/// Formats every cell as text.
pub(super) fn grid(filled: &Filled<'_>) -> Grid {
    let table = filled.table;
    let titles = table.columns.iter().map(|column| column.title.clone());
    let row = |(row, cells): &(&Row, Vec<Cell>)| {
        let cells = filled.cells(row, cells).map(|shown| cell(&shown));
        row.values.iter().cloned().chain(cells).collect()
    };
    Grid {
        name: table.name.clone(),
        title: table.title.clone(),
        header: table.axes.iter().cloned().chain(titles).collect(),
        rows: filled.rows.iter().map(row).collect(),
        notes: notes::notes(filled),
    }
}

fn cell(shown: &Shown<'_>) -> String {
    let mut text = match shown.cell {
        Cell::Value(_) | Cell::Partial { .. } => {
            let spread = deviation(shown, "±") + &interval(shown) + &folds(shown, "±");
            value(shown) + &spread + &partial(shown)
        }
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
    let Some(Summary { mean: value, .. }) = shown.cell.summary() else {
        return String::new();
    };
    let bounds = shown.judgements.iter().map(|judgement| judgement.bounds);
    let texts = bounds.map(|bounds| bounds.figure(*value));
    texts
        .max_by_key(String::len)
        .unwrap_or_else(|| wording::measured(*value))
}

/// ` ± 0.012`, the standard deviation over several values, or an empty string.
pub(super) fn deviation(shown: &Shown<'_>, sign: &str) -> String {
    match shown.cell.summary() {
        Some(Summary { sd: Some(sd), .. }) => format!(" {sign} {}", wording::measured(*sd)),
        _ => String::new(),
    }
}

/// ` [0.89, 0.94]`, or an empty string.
pub(super) fn interval(shown: &Shown<'_>) -> String {
    let interval = shown.cell.summary().and_then(|summary| summary.interval);
    let Some(interval) = interval else {
        return String::new();
    };
    let end = |end: f64| match (0.0..1e6).contains(&end.abs()) {
        true => format!("{end:.2}"),
        false => wording::measured(end),
    };
    let [low, high] = interval.ends.map(end);
    format!(" [{low}, {high}]")
}

/// ` (folds 0.915 ± 0.031)`: the mean and the standard deviation over the folds of a cross-validation, or an empty
/// string.
pub(super) fn folds(shown: &Shown<'_>, sign: &str) -> String {
    let folds = shown.cell.summary().and_then(|summary| summary.folds);
    let Some(FoldSpread { mean, sd, .. }) = folds else {
        return String::new();
    };
    let sd = sd.map(|sd| format!(" {sign} {}", wording::measured(sd)));
    format!(
        " (folds {}{})",
        wording::measured(mean),
        sd.unwrap_or_default()
    )
}

/// ` (2 of 3 seeds)` if some values of a mean are missing, or an empty string.
pub(super) fn partial(shown: &Shown<'_>) -> String {
    match shown.cell {
        Cell::Partial { summary, of, .. } => {
            let count = format!("{} of {of}", summary.n);
            format!(
                " ({})",
                values_of(shown.column, axes_of(shown.column, summary), &count)
            )
        }
        Cell::Value(_) | Cell::Missing(_) => String::new(),
    }
}

/// A reference value in the way papers print it: a single decimal is filled up to two (`0.80`).
pub(super) fn as_printed(value: f64) -> String {
    let text = wording::exact(value);
    match text.split_once('.') {
        Some((_, decimals)) if decimals.len() == 1 => text + "0",
        _ => text,
    }
}
