//! Compares the rows of a table's column with one reference row.
//!
//! This module reads no files and runs no statistical tests. A [`Comparison`] holds the difference of each
//! row; [`corrected`] adjusts the p-values for the number of rows. It is rendered below the table or as
//! part of it.

mod delimited;
mod json;
mod text;

use contract::Direction;
use stages::evaluate::Contrast;
use stages::metrics::holm;

pub use delimited::{fields, header};
pub use json::object;
pub use text::{markdown, terminal};

/// The rows of a column, each compared with the same reference row.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The column's title.
    pub column: String,
    pub metric: String,
    pub direction: Direction,
    /// The reference row.
    pub against: String,
    /// Whether the reference row was chosen because it is the best.
    pub is_best: bool,
    /// Number of resamples of the paired bootstrap.
    pub resamples: usize,
    /// The other rows in the table's order: the difference from the reference row, or a short reason why
    /// there is none.
    pub rows: Vec<(String, Result<Compared, String>)>,
}

/// The difference of a row from the reference row.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The row minus the reference row.
    pub contrast: Contrast,
    /// p-value of the bootstrap, corrected for the number of rows that were compared ([`holm`]).
    pub p_holm: f64,
    /// p-value of McNemar's test, corrected in the same way; `None` if the test was not run.
    pub mcnemar_p_holm: Option<f64>,
}

/// Corrects p-values for the number of rows that were compared.
pub fn corrected(
    rows: Vec<(String, Result<Contrast, String>)>,
) -> Vec<(String, Result<Compared, String>)> {
    let found = || rows.iter().filter_map(|(_, found)| found.as_ref().ok());
    let p_values: Vec<f64> = found().map(|contrast| contrast.difference.p).collect();
    let mcnemar_p_values: Vec<f64> = found()
        .filter_map(|contrast| Some(contrast.mcnemar.as_ref()?.p))
        .collect();
    let mut p_values = holm(&p_values).into_iter();
    let mut mcnemar_p_values = holm(&mcnemar_p_values).into_iter();
    let mut correct = |contrast: Contrast| Compared {
        // There is one p-value for each contrast.
        p_holm: p_values.next().unwrap_or(1.0),
        mcnemar_p_holm: contrast
            .mcnemar
            .as_ref()
            .and_then(|_| mcnemar_p_values.next()),
        contrast,
    };
    rows.into_iter()
        .map(|(row, found)| (row, found.map(&mut correct)))
        .collect()
}

impl Comparison {
    /// The rows that were compared.
    fn compared(&self) -> impl Iterator<Item = (&str, &Compared)> {
        let rows = self.rows.iter();
        rows.filter_map(|(row, found)| Some((row.as_str(), found.as_ref().ok()?)))
    }

    /// The result for `row`; `None` for the reference row and for rows that were not compared.
    fn of(&self, row: &str) -> Option<&Compared> {
        let mut compared = self.compared();
        Some(compared.find(|(name, _)| *name == row)?.1)
    }

    /// Whether McNemar's test was run.
    fn has_mcnemar(&self) -> bool {
        self.compared()
            .any(|(_, compared)| compared.mcnemar_p_holm.is_some())
    }
}

#[cfg(test)]
mod tests;
