//! Tables of results, with our value and a reference value in each cell.
//!
//! A [`Table`] declares what to show, a function returns the [`Cell`]s, and [`render`] turns both into
//! text. This module reads no files and knows nothing of runs.

mod delimited;
mod folds;
mod json;
mod latex;
mod notes;
mod page;
mod text;

use contract::analysis::Summary;
use engine::graph::{Bounds, Column, FOLD_AXIS, Row, Table};
use engine::run::contrasts::ColumnContrasts;
use engine::run::measurements::Cell;
use serde_json::Value;

use super::contrasts;
use super::expectations::{Judgement, Judgements, Subject, Verdict};
use super::format::Format;

pub use page::{Behind, view};

/// Renders `table`, with its rows in the order of the axis. `cells` is called once for each row and column.
/// Cells show the verdicts in `expected`. The `contrasts` of columns are shown below the table or in it. `width` is
/// that of the terminal; `None` if there is none. The text ends with a line feed.
pub fn render(
    table: &Table,
    cells: impl Fn(&Row, &Column) -> Cell,
    expected: &Judgements,
    contrasts: &[ColumnContrasts],
    format: Format,
    width: Option<usize>,
) -> String {
    let filled = Filled::of(table, cells, expected, contrasts);
    match format {
        Format::Terminal => {
            text::grid(&filled).terminal(width) + &contrasts::terminal(contrasts, width)
        }
        Format::Markdown => text::grid(&filled).markdown() + &contrasts::markdown(contrasts),
        Format::Csv => delimited::csv(&filled),
        Format::Json => format!("{:#}\n", json::object(&filled)),
        Format::Latex => latex::latex(&filled) + &contrasts::latex(contrasts, &table.name),
    }
}

/// A table as a JSON object: name, title, axes, and the rows with their cells in the table's order.
pub fn object(
    table: &Table,
    cells: impl Fn(&Row, &Column) -> Cell,
    expected: &Judgements,
    contrasts: &[ColumnContrasts],
) -> Value {
    json::object(&Filled::of(table, cells, expected, contrasts))
}

/// A table and its cells. Each row has as many cells as the table has columns.
struct Filled<'a> {
    table: &'a Table,
    expected: &'a Judgements,
    contrasts: &'a [ColumnContrasts],
    rows: Vec<(&'a Row, Vec<Cell>)>,
}

/// A cell with everything that is shown in it.
struct Shown<'a> {
    column: &'a Column,
    cell: &'a Cell,
    reference: Option<f64>,
    judgements: Vec<&'a Judgement>,
}

impl<'a> Filled<'a> {
    fn of(
        table: &'a Table,
        cells: impl Fn(&Row, &Column) -> Cell,
        expected: &'a Judgements,
        contrasts: &'a [ColumnContrasts],
    ) -> Self {
        let rows = table.rows.iter().map(|row| {
            let columns = table.columns.iter();
            (row, columns.map(|column| cells(row, column)).collect())
        });
        Self {
            table,
            expected,
            contrasts,
            rows: rows.collect(),
        }
    }

    /// The cells of a row.
    fn cells(&self, row: &'a Row, cells: &'a [Cell]) -> impl Iterator<Item = Shown<'a>> {
        let columns = self.table.columns.iter();
        columns.zip(cells).map(move |(column, cell)| Shown {
            column,
            cell,
            reference: column.reference.get(&row.label()).copied(),
            judgements: self.judgements(row, column),
        })
    }

    fn judgements(&self, row: &Row, column: &Column) -> Vec<&'a Judgement> {
        self.expected.of(&Subject::of_cell(row, column))
    }
}

/// The axes that the values of a summary are over, besides seeds.
fn axes_of<'a>(column: &'a Column, summary: &Summary) -> &'a [String] {
    match summary.folds {
        // The folds are one value.
        Some(_) => &[],
        None => &column.mean,
    }
}

/// The values that a mean is over, in words: `5 seeds`, `5 folds`, `4 values of width`.
fn values_of(column: &Column, axes: &[String], count: &str) -> String {
    match axes {
        [] => format!("{count} seeds"),
        [fold] if column.pools_folds && fold == FOLD_AXIS => format!("{count} folds"),
        axes => format!("{count} values of {}", axes.join(" and ")),
    }
}

impl<'a> Shown<'a> {
    /// The worst verdict of the cell; `None` if nothing is expected.
    fn verdict(&self) -> Option<Verdict> {
        let verdicts = self.judgements.iter().map(|judgement| judgement.verdict);
        verdicts.max()
    }

    /// The bounds that are violated.
    fn failed(&self) -> impl Iterator<Item = &'a Bounds> {
        let failed = |judgement: &&&'a Judgement| judgement.verdict == Verdict::Fail;
        self.judgements.iter().filter(failed).map(|one| &one.bounds)
    }
}

#[cfg(test)]
mod tests;
