//! Compares the rows of a table with one of them, by the predictions for every image.

use std::convert::Infallible;
use std::str::FromStr;

use contract::Direction;
use engine::error::Error;
use engine::graph::{Column, Graph, Table};
use engine::keys::Digest;
use engine::run::metrics;
use engine::spec::suggest;
use engine::store::Store;
use stages::evaluate::{Contrast, Evaluation, contrast};
use stages::metrics::Measure;

use crate::cli::evaluation;
use crate::report::comparison::{Comparison, corrected};

/// Resamples of the paired bootstrap. With this number, a p-value of 0.05 varies by 0.003 with the seed.
const RESAMPLES: usize = 10_000;

/// Seed of the paired bootstrap. It is fixed, so that a comparison depends on the evaluations only.
const SEED: u64 = 0;

/// The row that the others are compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Against {
    /// The best row of each column.
    #[default]
    Best,
    Row(String),
    /// No row: nothing is compared.
    None,
}

impl FromStr for Against {
    type Err = Infallible;

    /// A row named `best` or `none` is written in brackets, like the values in names of instances.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "best" => Self::Best,
            "none" => Self::None,
            _ => {
                let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
                Self::Row(inner.unwrap_or(text).to_owned())
            }
        })
    }
}

impl Against {
    /// Rejects a row that no table has.
    pub fn check(&self, graph: &Graph) -> Result<(), Error> {
        let Self::Row(row) = self else {
            return Ok(());
        };
        let mut rows: Vec<&str> = Vec::new();
        for value in graph.tables.iter().flat_map(|table| &table.row_values) {
            if !rows.contains(&value.as_str()) {
                rows.push(value);
            }
        }
        if rows.contains(&row.as_str()) {
            return Ok(());
        }
        let hint = suggest::hint("rows", row, rows);
        let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
        Err(Error::Usage(format!("no table has a row `{row}`{hint}")))
    }
}

/// A row of a column with its evaluations, one for each seed, or the reason why they cannot be read.
struct Candidate<'a> {
    row: &'a str,
    evaluations: Result<Vec<Evaluation>, String>,
}

/// Compares the rows of every column that shows a measure of `evaluate`. `outputs` returns the metrics
/// artifacts of a row: one for each seed, in the same order for all rows; empty if the row has not run.
pub fn comparisons(
    store: &Store,
    table: &Table,
    outputs: impl Fn(&str, &Column) -> Vec<Digest>,
    against: &Against,
) -> Vec<Comparison> {
    let compared = |column: &Column| {
        let measure = Measure::named(&column.metric.metric)?;
        let candidates: Vec<Candidate<'_>> = table
            .row_values
            .iter()
            .filter_map(|row| Candidate::read(store, row, &outputs(row, column)))
            .collect();
        compare(column, measure, &candidates, against)
    };
    table.columns.iter().filter_map(compared).collect()
}

impl<'a> Candidate<'a> {
    /// Reads the evaluations of a row; `None` if there are none.
    fn read(store: &Store, row: &'a str, outputs: &[Digest]) -> Option<Self> {
        let read = |output| match evaluation::read(store, output) {
            Ok(evaluation) => evaluation.map(Ok),
            Err(error) => {
                tracing::warn!("{row}: {error}");
                Some(Err(metrics::DAMAGED.to_owned()))
            }
        };
        let evaluations: Result<Vec<Evaluation>, String> =
            outputs.iter().filter_map(read).collect();
        let is_none = evaluations.as_ref().is_ok_and(Vec::is_empty);
        (!is_none).then_some(Self { row, evaluations })
    }

    /// Mean over the seeds.
    fn value(&self, measure: Measure) -> Option<f64> {
        let evaluations = self.evaluations.as_ref().ok()?;
        let values = evaluations.iter().map(|evaluation| {
            let scored = evaluation.scored();
            scored.value(measure, &vec![1; scored.examples()])
        });
        Some(values.sum::<Option<f64>>()? / evaluations.len() as f64)
    }

    fn contrast(&self, other: &Self, measure: Measure) -> Result<Contrast, String> {
        let (ours, theirs) = (self.evaluations.as_ref()?, other.evaluations.as_ref()?);
        contrast(ours, theirs, measure, RESAMPLES, SEED).map_err(|error| error.to_string())
    }
}

/// Compares one column. `None` if there are fewer than two rows, or if the reference row is missing.
fn compare(
    column: &Column,
    measure: Measure,
    candidates: &[Candidate<'_>],
    against: &Against,
) -> Option<Comparison> {
    let reference = match against {
        Against::None => return None,
        Against::Best => best(candidates, measure)?,
        Against::Row(row) => candidates.iter().find(|candidate| candidate.row == *row)?,
    };
    let others = candidates
        .iter()
        .filter(|candidate| candidate.row != reference.row);
    let rows: Vec<_> = others
        .map(|other| (other.row.to_owned(), other.contrast(reference, measure)))
        .collect();
    if rows.is_empty() {
        return None;
    }
    Some(Comparison {
        column: column.title.clone(),
        metric: column.metric.to_string(),
        direction: measure.direction(),
        against: reference.row.to_owned(),
        is_best: *against == Against::Best,
        resamples: RESAMPLES,
        rows: corrected(rows),
    })
}

/// The best row; the first of several equally good ones.
fn best<'a>(candidates: &'a [Candidate<'a>], measure: Measure) -> Option<&'a Candidate<'a>> {
    let mut best: Option<(f64, &Candidate<'_>)> = None;
    for candidate in candidates {
        let Some(value) = candidate.value(measure) else {
            continue;
        };
        let is_better = best.is_none_or(|(so_far, _)| match measure.direction() {
            Direction::Maximize => value > so_far,
            Direction::Minimize => value < so_far,
        });
        if is_better {
            best = Some((value, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}
