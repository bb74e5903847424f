//! Analysis of results, which the package `stages` does for the engine.
//!
//! The engine and the command line know what to analyze (rows of a table, trials of a sweep) and show the
//! outcome. They do not know the files of an evaluation, statistics, or how to draw a figure: an implementation
//! of [`Analysis`] provides these. Everything else here is data.

mod class_report;
mod contrast;
mod evaluation;
mod figure;
mod summary;

use std::path::Path;

pub use class_report::{ClassLine, ClassReport, ClassScores, UNDEFINED, three_decimals};
pub use contrast::{
    ComparedRow, Contrast, CorrectedContrast, Difference, Distribution, EvaluatedRow, McNemar,
    Reference, RowContrasts,
};
pub use evaluation::Evaluation;
pub use figure::{Coordinate, Curve, Figure, LearningCurves, Line, ParallelCoordinates, Scale};
pub use summary::{Decision, Interval, Summary};

pub use crate::over::Over;

use crate::{Failure, Metric};

/// Reads evaluations, compares them, summarizes values and draws figures.
pub trait Analysis: Sync {
    /// Returns the names of the files in an output that make it an evaluation.
    fn evaluation_files(&self) -> &'static [&'static str];

    /// Reads an evaluation from the content of [`Analysis::evaluation_files`], in their order.
    ///
    /// # Errors
    /// If the content is not an evaluation. The error says why.
    fn read_evaluation(&self, files: &[Vec<u8>]) -> Result<Evaluation, String>;

    /// Computes the results of an evaluation for each class.
    fn class_report(&self, evaluation: &Evaluation) -> ClassReport;

    /// Whether [`Analysis::contrast_rows`] compares rows by this metric.
    fn contrasts_by(&self, metric: &str) -> bool;

    /// Compares rows with a reference row, by their predictions for every image. `None` if rows are not compared
    /// by this metric, if there are fewer than two rows, or if there is no reference row.
    fn contrast_rows(
        &self,
        metric: &str,
        rows: &[EvaluatedRow],
        reference: &Reference,
    ) -> Option<RowContrasts>;

    /// Computes the mean of finite values that differ only in their seed, and its interval over seeds; `None` if
    /// there are no values.
    fn spread(&self, values: &[f64]) -> Option<Summary>;

    /// Summarizes a metric of results that differ only in their seed; `None` if there are no results. Values must be
    /// finite. `evaluations` are those of the results, in the same order, or empty if the results do not come from evaluations.
    fn summarize(
        &self,
        metric: &str,
        results: &[Metric],
        evaluations: &[Evaluation],
    ) -> Option<Summary>;

    /// Writes a figure as a PNG.
    ///
    /// # Errors
    /// If the file cannot be written.
    fn draw(&self, figure: &Figure<'_>, path: &Path) -> Result<(), Failure>;
}
