//! Draws charts and grids of images as PNG files.
//!
//! The same input gives the same bytes: the font is built in, and nothing depends on the machine.

mod axis;
mod canvas;
pub mod chart;
mod color;
pub mod confusion;
mod description;
pub mod grid;
mod learning_curves;
mod parallel_coordinates;
pub mod roc;
mod ruler;
mod svg;

use std::path::Path;

use contract::Failure;
use contract::analysis::{Figure, ThemeColor};

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
        Figure::Roc(_)
        | Figure::PrecisionRecall(_)
        | Figure::Confusion(_)
        | Figure::Reliability(_)
        | Figure::Training(_)
        | Figure::Bars(_) => Err(Failure::Internal("not drawn as PNG".to_owned())),
    }
}

/// Returns a figure as an `<svg>` element.
pub fn svg(figure: &Figure<'_>, prefix: &str) -> Result<String, Failure> {
    svg::page(figure, prefix)
}

/// Returns the colors of figures in both themes of a page.
pub fn theme() -> Vec<ThemeColor> {
    color::theme()
}
