//! Draws charts and grids of images as PNG files.
//!
//! The same input gives the same bytes: the font is built in, and nothing depends on the machine.

mod axis;
mod canvas;
pub mod chart;
pub mod confusion;
pub mod grid;
mod learning_curves;
mod parallel_coordinates;
pub mod roc;
mod ruler;

use std::path::Path;

use contract::Failure;
use contract::analysis::Figure;

#[cfg(test)]
mod sweep_tests;
#[cfg(test)]
mod tests;

/// Writes a figure of a sweep as a PNG.
///
/// # Errors
/// If the file cannot be written.
pub fn draw(figure: &Figure<'_>, path: &Path) -> Result<(), Failure> {
    match figure {
        Figure::LearningCurves(figure) => learning_curves::write(figure, path),
        Figure::ParallelCoordinates(figure) => parallel_coordinates::write(figure, path),
    }
}
