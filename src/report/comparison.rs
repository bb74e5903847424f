//! The rows of a table's column, each held against one of them.
//!
//! Reads no file and tests nothing itself: a [`Comparison`] takes in what was found of each row, corrects
//! it for the number of rows, and is written under or into its table.

mod delimited;
mod json;
mod text;

use contract::Direction;
use stages::evaluate::Contrast;
use stages::metrics::holm;

pub use delimited::{fields, header};
pub use json::object;
pub use text::{markdown, terminal};

/// A column's rows, each against the same one.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The column's title.
    pub column: String,
    pub metric: String,
    pub direction: Direction,
    /// The row that the others are held against.
    pub against: String,
    /// Whether that one was taken for being the best.
    pub is_best: bool,
    /// Of the paired bootstrap.
    pub resamples: usize,
    /// The other rows, in the table's order: what they differ in, or in a few words why that is not known.
    pub rows: Vec<(String, Result<Compared, String>)>,
}

/// A row's difference from the one that all are held against.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The row less the other.
    pub contrast: Contrast,
    /// The bootstrap's p-value, corrected for all rows that were compared ([`holm`]).
    pub p_holm: f64,
    /// That of McNemar's test, likewise.
    pub mcnemar_p_holm: Option<f64>,
}

/// Corrects the p-values of rows for their number.
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
        // As many as there are contrasts.
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

    /// What was found of `row`; nothing of the one that all are held against.
    fn of(&self, row: &str) -> Option<&Compared> {
        let mut compared = self.compared();
        Some(compared.find(|(name, _)| *name == row)?.1)
    }

    /// Whether McNemar's test was made.
    fn has_mcnemar(&self) -> bool {
        self.compared()
            .any(|(_, compared)| compared.mcnemar_p_holm.is_some())
    }
}

#[cfg(test)]
mod tests;
