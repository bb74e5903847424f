//! Draws precision against recall.

use contract::Failure;
use contract::analysis::PrecisionRecall;

use super::canvas::{Canvas, Medium};
use super::chart::Series;
use super::roc::{dot, named, unit_chart};

/// Draws the curve, with the precision of guesses as a horizontal line.
pub(super) fn page(figure: &PrecisionRecall, medium: Medium) -> Result<Canvas, Failure> {
    let title = format!("Precision and recall: {}", figure.positive);
    let prevalence = Series {
        name: format!("chance {:.3}", figure.prevalence),
        points: vec![(0.0, figure.prevalence), (1.0, figure.prevalence)],
        dashed: true,
    };
    let curve = Series {
        name: named("AP", &figure.average_precision),
        points: figure.points.clone(),
        dashed: false,
    };
    let mut series = vec![prevalence, curve];
    series.extend(figure.operating.as_ref().map(dot));
    unit_chart(medium, &title, ("recall", "precision")).draw(&series)
}
