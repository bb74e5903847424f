//! Analysis of results, which the package `stages` does for the engine.
//!
//! The engine and the command line know what to analyze (rows of a table, trials of a sweep) and show the
//! outcome. They do not know the files of an evaluation, statistics, or how to draw a figure: an implementation
//! of [`Analysis`] provides these. Everything else here is data.

mod contrast;
mod evaluation;
mod figure;
mod spread;

use std::path::Path;

pub use contrast::{
    Contrast, CorrectedContrast, Difference, Distribution, EvaluatedRow, McNemar, Mistakes,
    Reference, RowContrasts,
};
pub use evaluation::Evaluation;
pub use figure::{Coordinate, Curve, Figure, LearningCurves, Line, ParallelCoordinates, Scale};
pub use spread::Spread;

use crate::Failure;

/// Reads evaluations, compares them, summarizes values and draws figures.
pub trait Analysis: Sync {
    /// Returns the names of the files in an output that make it an evaluation.
    fn evaluation_files(&self) -> &'static [&'static str];

    /// Reads an evaluation from the content of [`Analysis::evaluation_files`], in their order.
    ///
    /// # Errors
    /// If the content is not an evaluation. The error says why.
    fn read_evaluation(&self, files: &[Vec<u8>]) -> Result<Evaluation, String>;

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

    /// Computes mean and spread of finite values; `None` if there are no values.
    fn spread(&self, values: &[f64]) -> Option<Spread>;

    /// Writes a figure as a PNG.
    ///
    /// # Errors
    /// If the file cannot be written.
    fn draw(&self, figure: &Figure<'_>, path: &Path) -> Result<(), Failure>;
}
