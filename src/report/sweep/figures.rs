//! Figures of a sweep as PNG files.

use std::path::Path;

use contract::Failure;
use contract::analysis::Analysis;
use engine::sweep::record::SweepReport;
use pages::sweep_figures;

/// Writes a PNG with an axis for each parameter and one for the objective, and a line for each trial that
/// has an objective.
///
/// # Errors
/// If the file cannot be written.
pub fn parallel_coordinates(
    report: &SweepReport,
    analysis: &dyn Analysis,
    path: &Path,
) -> Result<(), Failure> {
    sweep_figures::parallel_coordinates(report, |figure| analysis.draw(figure, path))
}

/// Writes a PNG with a line for each trial that has a learning curve. If none has one, writes nothing and
/// returns false.
///
/// # Errors
/// If the file cannot be written.
pub fn learning_curves(
    report: &SweepReport,
    analysis: &dyn Analysis,
    path: &Path,
) -> Result<bool, Failure> {
    let drawn = sweep_figures::learning_curves(report, |figure| analysis.draw(figure, path));
    drawn.transpose().map(|drawn| drawn.is_some())
}
