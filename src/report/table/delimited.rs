//! Tables as CSV.

use engine::graph::Column;
use engine::run::measurements::{Cell, Seeds};

use super::Filled;
use crate::report::contrasts;
use crate::report::csv::line;

/// Comma-separated values. Each column of the table has fields for its value, the ends of its interval and
/// the reference value. If a column has means over seeds, fields for their number and standard deviation
/// follow; if it has expectations, fields for the verdict and the bounds follow. The fields of contrasts
/// come last. Missing values are empty.
pub(super) fn csv(filled: &Filled<'_>) -> String {
    let mut header = vec![filled.table.rows.clone()];
    for column in &filled.table.columns {
        header.push(column.title.clone());
        let named = |what: &str| format!("{} {what}", column.title);
        header.extend(["low", "high", &column.reference_label].map(named));
        if is_repeated(filled, column) {
            header.extend(["seeds", "sd"].map(named));
        }
        if is_judged(filled, column) {
            header.extend(["verdict", "expected"].map(named));
        }
    }
    header.extend(contrasts::header(filled.contrasts));
    let mut text = line(&header);
    for (row, cells) in &filled.rows {
        let mut fields = vec![(*row).to_owned()];
        for shown in filled.cells(row, cells) {
            let (value, interval) = match shown.cell {
                Cell::Value {
                    value, interval, ..
                } => (Some(*value), *interval),
                Cell::Missing(_) => (None, None),
            };
            let [low, high] = interval.map_or([None; 2], |ends| ends.map(Some));
            let number =
                |number: Option<f64>| number.map_or(String::new(), |number| number.to_string());
            fields.extend([value, low, high, shown.reference].map(number));
            if is_repeated(filled, shown.column) {
                let seeds = seeds(shown.cell);
                fields.push(seeds.map_or(String::new(), |seeds| seeds.count.to_string()));
                fields.push(number(seeds.map(|seeds| seeds.sd)));
            }
            if is_judged(filled, shown.column) {
                let verdict = shown.verdict();
                fields.push(verdict.map_or(String::new(), |verdict| verdict.to_string()));
                let all = shown.judgements.iter();
                let bounds: Vec<String> = all.map(|one| one.bounds.to_string()).collect();
                fields.push(bounds.join("; "));
            }
        }
        fields.extend(contrasts::fields(filled.contrasts, row));
        text.push_str(&line(&fields));
    }
    text
}

/// Whether a cell of this column is a mean over several seeds.
fn is_repeated(filled: &Filled<'_>, column: &Column) -> bool {
    let mut rows = filled.rows.iter();
    rows.any(|(row, cells)| {
        let mut cells = filled.cells(row, cells);
        cells.any(|shown| std::ptr::eq(shown.column, column) && seeds(shown.cell).is_some())
    })
}

fn seeds(cell: &Cell) -> Option<Seeds> {
    match cell {
        Cell::Value { seeds, .. } => *seeds,
        Cell::Missing(_) => None,
    }
}

/// Whether there is an expectation in any row of this column.
fn is_judged(filled: &Filled<'_>, column: &Column) -> bool {
    let mut rows = filled.rows.iter();
    rows.any(|(row, _)| !filled.judgements(row, column).is_empty())
}
