//! Statistical comparison of table rows: the request and its outcome.

use serde::Serialize;

use super::{Evaluation, Over};
use crate::Direction;

/// A row with its evaluations.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluatedRow {
    pub row: String,
    /// One evaluation for each seed, in the same order for all rows, or a short reason why they cannot be read.
    pub evaluations: Result<Vec<Evaluation>, String>,
}

/// The row that the others are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The row with the best mean over the seeds; the first of several equally good ones.
    Best,
    Row(String),
}

/// The rows of a table's column, each compared with the same reference row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowContrasts {
    /// Name of the reference row.
    pub reference: String,
    pub direction: Direction,
    /// Number of resamples of the paired bootstrap.
    pub resamples: usize,
    /// Number of pairs of rows that p-values are corrected for: all pairs if the reference row was chosen by its
    /// result, because then each pair could have been compared; otherwise the pairs with the reference row.
    pub pairs: usize,
    /// The other rows in their order.
    pub rows: Vec<ComparedRow>,
}

/// A row and its difference from the reference row, or a short reason why there is none.
pub type ComparedRow = (String, Result<CorrectedContrast, String>);

/// The difference of a row from the reference row, with p-values corrected for the number of pairs (Holm, 1979).
#[derive(Clone, Debug, PartialEq)]
pub struct CorrectedContrast {
    /// The row minus the reference row.
    pub contrast: Contrast,
    /// Corrected p-value of the bootstrap.
    pub p_holm: f64,
    /// Corrected p-value of McNemar's test; `None` if the test was not run.
    pub mcnemar_p_holm: Option<f64>,
    /// Corrected p-value of DeLong's test; `None` if the test was not run.
    pub delong_p_holm: Option<f64>,
}

/// Difference between two classifiers, `a` and `b`, on the same images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contrast {
    /// Number of images that both were evaluated on, under the first seed.
    pub images: usize,
    /// Number of seeds that both were trained under.
    pub seeds: usize,
    /// `true` if all seeds use the same images.
    pub shares_images: bool,
    /// Sources of variation that the interval and the p-value cover.
    pub over: Over,
    /// Mean over the seeds of the value of `a` minus that of `b`.
    #[serde(flatten)]
    pub difference: Difference,
    /// McNemar's test of whether one classifier makes more mistakes than the other. `None` unless the measure is the
    /// accuracy, there is one seed, and the images have no groups: the test knows neither seeds nor groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcnemar: Option<McNemar>,
    /// DeLong's test of whether the areas under the ROC curves differ. `None` unless the measure is that area, and there
    /// is one seed. If the images have groups, the variance is Obuchowski's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delong: Option<DeLong>,
}

/// Difference between two values, `a` and `b`, with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// `a` minus `b`.
    pub value: f64,
    /// Its 95 % interval, `[low, high]`.
    pub interval: [f64; 2],
    /// Two-sided p-value under the hypothesis that there is no difference; never 0.
    pub p: f64,
}

/// McNemar's two-sided test (1947) of two classifiers, `a` and `b`, on the same examples. Examples that both or
/// neither classify correctly carry no information and are left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct McNemar {
    /// Number of examples that only `a` classifies correctly.
    pub only_a: u64,
    /// Number of examples that only `b` classifies correctly.
    pub only_b: u64,
    pub by: Distribution,
    /// Probability of a difference at least as large if both are equally good.
    pub p: f64,
}

/// The two-sided test of DeLong, DeLong and Clarke-Pearson (1988) of two areas under ROC curves of the same images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DeLong {
    /// The difference of the areas, divided by its standard error.
    pub z: f64,
    /// Probability of a difference at least as large if the areas are equal.
    pub p: f64,
}

/// Distribution that a p-value was computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// The exact binomial distribution, for fewer than 25 discordant pairs.
    Binomial,
    /// Chi-square with one degree of freedom, and the continuity correction of Edwards (1948).
    ChiSquare,
}
