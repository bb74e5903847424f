//! Compares the rows of a table with one of them, by the predictions for every image.

use std::convert::Infallible;
use std::str::FromStr;

use contract::Direction;
use contract::analysis::{
    Analysis, ComparedRow, CorrectedContrast, EvaluatedRow, Evaluation, Reference,
};

use super::metrics;
use crate::error::Error;
use crate::graph::{Column, Row, Table};
use crate::spec::suggest;
use store::Store;
use store::keys::Digest;

/// The rows of a column, each compared with the same reference row.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnContrasts {
    /// The column's title.
    pub column: String,
    pub metric: String,
    pub direction: Direction,
    /// The reference row.
    pub against: String,
    /// `true` if the reference row was chosen because it is the best.
    pub is_best: bool,
    /// `true` if the predictions of the folds of a cross-validation were compared together.
    pub pools_folds: bool,
    /// Number of resamples of the paired bootstrap.
    pub resamples: usize,
    /// Number of pairs of rows that p-values are corrected for.
    pub pairs: usize,
    /// The other rows in the table's order.
    pub rows: Vec<ComparedRow>,
}

impl ColumnContrasts {
    /// The rows that were compared.
    pub fn found(&self) -> impl Iterator<Item = (&str, &CorrectedContrast)> {
        let rows = self.rows.iter();
        rows.filter_map(|(row, found)| Some((row.as_str(), found.as_ref().ok()?)))
    }

    /// The result for `row`; `None` for the reference row and for rows that were not compared.
    pub fn of(&self, row: &str) -> Option<&CorrectedContrast> {
        let mut found = self.found();
        Some(found.find(|(name, _)| *name == row)?.1)
    }

    /// Returns `true` if DeLong's test was run.
    pub fn has_delong(&self) -> bool {
        self.found().any(|(_, found)| found.delong_p_holm.is_some())
    }

    /// Returns `true` if McNemar's test was run.
    pub fn has_mcnemar(&self) -> bool {
        self.found()
            .any(|(_, found)| found.mcnemar_p_holm.is_some())
    }
}

/// The row that the others are compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Against {
    /// The best row of each column.
    #[default]
    Best,
    Row(String),
    /// No row: there are no contrasts.
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
    pub fn check(&self, tables: &[Table]) -> Result<(), Error> {
        let Self::Row(row) = self else {
            return Ok(());
        };
        let rows = tables.iter().flat_map(|table| &table.rows);
        let rows: Vec<String> = rows.map(Row::label).filter(|row| !row.is_empty()).collect();
        if rows.contains(row) {
            return Ok(());
        }
        let rows = suggest::distinct(rows.iter().map(String::as_str));
        let hint = suggest::hint("rows", row, rows);
        let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
        Err(Error::Usage(format!("no table has a row `{row}`{hint}")))
    }
}

/// Compares the rows of every column whose metric [`Analysis::contrasts_by`] accepts. `outputs` returns the metrics
/// artifacts of a row for each seed, in the same order for all rows: one, or those of all folds; empty if the row has
/// not run.
///
/// The predictions of the folds of a cross-validation are compared together, image by image. Means over an axis are
/// not compared: the trainings of different folds share images, so their differences are not independent. Seeds and
/// folds are compared only with a row that the user chose, because the best seed is the best by chance. This also holds
/// for an axis of a matrix that is named `seed` or `fold`.
pub fn contrasts(
    store: &Store,
    analysis: &dyn Analysis,
    table: &Table,
    outputs: impl Fn(&Row, &Column) -> Vec<Vec<Digest>>,
    against: &Against,
) -> Vec<ColumnContrasts> {
    let reference = match against {
        Against::None => return Vec::new(),
        Against::Best if table.has_copies_as_rows() => return Vec::new(),
        Against::Best => Reference::Best,
        Against::Row(row) => Reference::Row(row.clone()),
    };
    let of_column = |column: &Column| {
        let metric = &column.metric.metric;
        if !analysis.contrasts_by(metric) || !(column.mean.is_empty() || column.pools_folds) {
            return None;
        }
        let rows = table.rows.iter();
        let rows: Vec<EvaluatedRow> = rows
            .filter_map(|row| evaluated(store, analysis, &row.label(), &outputs(row, column)))
            .collect();
        let found = analysis.contrast_rows(metric, &rows, &reference)?;
        Some(ColumnContrasts {
            column: column.title.clone(),
            metric: column.metric.to_string(),
            direction: found.direction,
            against: found.reference,
            is_best: *against == Against::Best,
            pools_folds: column.pools_folds,
            resamples: found.resamples,
            pairs: found.pairs,
            rows: found.rows,
        })
    };
    table.columns.iter().filter_map(of_column).collect()
}

/// Reads the evaluations of a row; `None` if there are none.
fn evaluated(
    store: &Store,
    analysis: &dyn Analysis,
    row: &str,
    outputs: &[Vec<Digest>],
) -> Option<EvaluatedRow> {
    let read = |output: &Digest| match evaluation(store, analysis, output) {
        Ok(evaluation) => evaluation.map(Ok),
        Err(error) => {
            tracing::warn!("{row}: {error}");
            Some(Err(metrics::DAMAGED.to_owned()))
        }
    };
    let of_seed = |folds: &Vec<Digest>| {
        let read: Result<Vec<Evaluation>, String> = folds.iter().filter_map(read).collect();
        match read {
            Ok(mut evaluations) if evaluations.len() < 2 => evaluations.pop().map(Ok),
            Ok(evaluations) => Some(analysis.pool(&evaluations)),
            Err(why) => Some(Err(why)),
        }
    };
    let evaluations: Result<Vec<Evaluation>, String> = outputs.iter().filter_map(of_seed).collect();
    let is_none = evaluations.as_ref().is_ok_and(Vec::is_empty);
    (!is_none).then_some(EvaluatedRow {
        row: row.to_owned(),
        evaluations,
    })
}

/// Reads the evaluation of every image from an output; `None` if it is not an evaluation.
///
/// # Errors
/// A sentence, if the output is incomplete or damaged.
pub(super) fn evaluation(
    store: &Store,
    analysis: &dyn Analysis,
    output: &Digest,
) -> Result<Option<Evaluation>, String> {
    let Some(files) = store.read_files(output, analysis.evaluation_files())? else {
        return Ok(None);
    };
    analysis
        .read_evaluation(&files)
        .map_err(|e| format!("{output}: {e}"))
        .map(Some)
}
