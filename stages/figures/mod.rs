//! Draws charts and grids of images, as PNG or SVG.
//!
//! Every figure is drawn by one function for both, on a [`Canvas`](canvas::Canvas). The same input gives the same
//! bytes: the font is built in, and nothing depends on the machine.

mod axis;
mod bars;
mod bitmap;
mod canvas;
pub mod chart;
mod color;
pub mod confusion;
mod description;
pub mod grid;
pub mod heat_maps;
mod learning_curves;
mod medium;
mod page;
mod parallel_coordinates;
mod precision_recall;
mod reliability;
pub mod roc;
mod ruler;
mod svg;
mod training;

use std::path::Path;

use contract::Failure;
use contract::analysis::{Figure, ThemeColor};

use canvas::Canvas;
pub(crate) use color::heat;
use medium::Medium;
use svg::Form;

#[cfg(test)]
mod svg_tests;
#[cfg(test)]
mod sweep_tests;
#[cfg(test)]
mod tests;

/// Writes a figure to a file: as SVG if its name ends in `.svg`, otherwise as PNG.
///
/// # Errors
/// If the file cannot be written.
pub fn draw(figure: &Figure<'_>, path: &Path) -> Result<(), Failure> {
    if path.extension().is_some_and(|extension| extension == "svg") {
        let content = written(figure, Form::File)?;
        return std::fs::write(path, content).map_err(|e| Failure::io("write", path, e));
    }
    page(figure, Medium::Png)?.save(path)
}

/// Returns a figure as an `<svg>` element for a page. All ids begin with `prefix`.
pub fn svg(figure: &Figure<'_>, prefix: &str) -> Result<String, Failure> {
    written(figure, Form::Element(prefix))
}

/// Returns what a figure does not show, as a sentence; `None` if it shows everything, or says so itself.
pub fn note(figure: &Figure<'_>) -> Option<String> {
    match figure {
        Figure::LearningCurves(figure) => learning_curves::note(figure),
        Figure::ParallelCoordinates(_)
        | Figure::Roc(_)
        | Figure::PrecisionRecall(_)
        | Figure::Confusion(_)
        | Figure::Reliability(_)
        | Figure::Training(_)
        | Figure::Bars(_) => None,
    }
}

/// Returns the colors of figures in both themes of a page.
pub fn theme() -> Vec<ThemeColor> {
    color::theme()
}

fn written(figure: &Figure<'_>, form: Form<'_>) -> Result<String, Failure> {
    let drawing = page(figure, Medium::Svg)?.into_drawing()?;
    let description = description::describe(figure);
    Ok(drawing.written(class(figure), &description, form))
}

fn page(figure: &Figure<'_>, medium: Medium) -> Result<Canvas, Failure> {
    match figure {
        Figure::LearningCurves(figure) => learning_curves::page(figure, medium),
        Figure::ParallelCoordinates(figure) => parallel_coordinates::page(figure, medium),
        Figure::Roc(figure) => roc::page(figure, medium),
        Figure::PrecisionRecall(figure) => precision_recall::page(figure, medium),
        Figure::Confusion(figure) => confusion::page(figure, medium),
        Figure::Reliability(figure) => reliability::page(figure, medium),
        Figure::Training(figure) => training::page(figure, medium),
        Figure::Bars(figure) => bars::page(figure, medium),
    }
}

/// Returns the name of the kind of figure in the classes of an SVG.
fn class(figure: &Figure<'_>) -> &'static str {
    match figure {
        Figure::LearningCurves(_) => "learning-curves",
        Figure::ParallelCoordinates(_) => "parallel-coordinates",
        Figure::Roc(_) => "roc",
        Figure::PrecisionRecall(_) => "precision-recall",
        Figure::Confusion(_) => "confusion",
        Figure::Reliability(_) => "reliability",
        Figure::Training(_) => "training",
        Figure::Bars(_) => "bars",
    }
}
