//! Tables of results: our figure beside a reference's in each cell.
//!
//! A [`Table`] says what to show, a function gives the [`Cell`]s, and [`render`] turns both into
//! text. It reads no file and knows no run.

mod delimited;
mod json;
mod text;

pub(super) use delimited::line as csv_line;

use crate::graph::{Column, Table};

/// Our figure, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Value {
        value: f64,
        /// A 95 % interval, `[low, high]`.
        interval: Option<[f64; 2]>,
    },
    /// The reason in a few words: `not run`, `failed`.
    Missing(String),
}

/// How a table is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Ruled lines, for a terminal.
    #[default]
    Terminal,
    /// A GitHub-flavoured Markdown table.
    #[value(name = "md")]
    Markdown,
    /// Comma-separated values in full precision.
    Csv,
    /// A JSON object in full precision.
    Json,
}

/// Writes `table`, its rows in the axis' own order. `cells` is asked once for every row and column.
/// The text ends with a line feed.
pub fn render(table: &Table, cells: impl Fn(&str, &Column) -> Cell, format: Format) -> String {
    let filled = Filled {
        table,
        rows: table
            .row_values
            .iter()
            .map(|row| {
                (
                    row.as_str(),
                    table
                        .columns
                        .iter()
                        .map(|column| cells(row, column))
                        .collect(),
                )
            })
            .collect(),
    };
    match format {
        Format::Terminal => text::terminal(&filled),
        Format::Markdown => text::markdown(&filled),
        Format::Csv => delimited::csv(&filled),
        Format::Json => json::json(&filled),
    }
}

/// A table and its cells, as many per row as the table has columns.
struct Filled<'a> {
    table: &'a Table,
    rows: Vec<(&'a str, Vec<Cell>)>,
}

impl<'a> Filled<'a> {
    /// The columns of a row, each with its cell and the reference's figure.
    fn cells(
        &self,
        row: &'a str,
        cells: &'a [Cell],
    ) -> impl Iterator<Item = (&'a Column, &'a Cell, Option<f64>)> {
        self.table
            .columns
            .iter()
            .zip(cells)
            .map(move |(column, cell)| (column, cell, column.reference.get(row).copied()))
    }
}

#[cfg(test)]
mod tests;
