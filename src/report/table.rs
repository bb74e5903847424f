//! Tables of results: our figure beside a reference's in each cell.
//!
//! A [`Table`] says what to show, a function gives the [`Cell`]s, and [`render`] turns both into
//! text. It reads no file and knows no run.

mod delimited;
mod grid;
mod json;
mod latex;
mod text;

pub(super) use delimited::line as csv_line;

pub(in crate::report) use self::grid::{Grid, ruled};
use engine::graph::{Bounds, Column, Table};

use super::comparison::{self, Comparison};
use super::expectations::{Judgement, Judgements, Subject, Verdict};

/// Our figure, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Value {
        value: f64,
        /// A 95 % interval, `[low, high]`: of the measure on its images or, of several seeds, of their
        /// mean.
        interval: Option<[f64; 2]>,
        /// If the value is the mean of several.
        seeds: Option<Seeds>,
    },
    /// The reason in a few words: `not run`, `failed`.
    Missing(String),
}

/// Results that differ in nothing but their seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seeds {
    pub count: usize,
    /// Standard deviation of a sample.
    pub sd: f64,
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
    /// A LaTeX table with the rules of `booktabs`.
    Latex,
}

/// Writes `table`, its rows in the axis' own order. `cells` is asked once for every row and column.
/// What was expected of them is shown in them; `comparisons` are of its columns, and stand below it, or in
/// it. The text ends with a line feed.
pub fn render(
    table: &Table,
    cells: impl Fn(&str, &Column) -> Cell,
    expected: &Judgements,
    comparisons: &[Comparison],
    format: Format,
) -> String {
    let filled = Filled {
        table,
        expected,
        comparisons,
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
        Format::Terminal => text::grid(&filled).terminal() + &comparison::terminal(comparisons),
        Format::Markdown => text::grid(&filled).markdown() + &comparison::markdown(comparisons),
        Format::Csv => delimited::csv(&filled),
        Format::Json => json::json(&filled),
        Format::Latex => latex::latex(&filled),
    }
}

/// A table and its cells, as many per row as the table has columns.
struct Filled<'a> {
    table: &'a Table,
    expected: &'a Judgements,
    comparisons: &'a [Comparison],
    rows: Vec<(&'a str, Vec<Cell>)>,
}

/// A cell with all that is shown in it.
struct Shown<'a> {
    column: &'a Column,
    cell: &'a Cell,
    /// The reference's figure.
    reference: Option<f64>,
    judgements: Vec<&'a Judgement>,
}

impl<'a> Filled<'a> {
    /// The cells of a row.
    fn cells(&self, row: &'a str, cells: &'a [Cell]) -> impl Iterator<Item = Shown<'a>> {
        let columns = self.table.columns.iter();
        columns.zip(cells).map(move |(column, cell)| Shown {
            column,
            cell,
            reference: column.reference.get(row).copied(),
            judgements: self.judgements(row, column),
        })
    }

    fn judgements(&self, row: &str, column: &Column) -> Vec<&'a Judgement> {
        let subject = Subject::of_cell(self.table, row, column);
        self.expected.of(&subject)
    }
}

impl<'a> Shown<'a> {
    /// The worst of a cell; none where nothing is expected.
    fn verdict(&self) -> Option<Verdict> {
        let verdicts = self.judgements.iter().map(|judgement| judgement.verdict);
        verdicts.max()
    }

    /// The bounds that are not kept.
    fn failed(&self) -> impl Iterator<Item = &'a Bounds> {
        let failed = |judgement: &&&'a Judgement| judgement.verdict == Verdict::Fail;
        self.judgements.iter().filter(failed).map(|one| &one.bounds)
    }
}

#[cfg(test)]
mod tests;
