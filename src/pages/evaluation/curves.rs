//! The curves of an evaluation.

use contract::analysis::{EvaluationFigures, Figure};

use super::calibration;
use crate::figure::FigureView;
use crate::reader::Reader;
use crate::stage::StageView;

/// Draws the curves that an evaluation has. Captions say how to read them. The reliability diagram is left out if it is
/// part of the report on calibration.
pub(super) fn drawn(
    reader: Reader<'_>,
    stage: &StageView,
    figures: &EvaluationFigures,
    draws_reliability: bool,
) -> Vec<FigureView> {
    let draw = |what: &str, caption: &str, figure: Figure<'_>| {
        let id = format!("{}-{what}", stage.id);
        FigureView::new(reader, id, caption.to_owned(), &figure)
    };
    let roc = figures.roc.as_ref();
    let roc = roc.and_then(|roc| {
        let caption = "The closer to the top left corner, the better.";
        draw("roc", caption, Figure::Roc(roc))
    });
    let precision = figures.precision_recall.as_ref();
    let precision = precision.and_then(|curve| {
        let caption = "The closer to the top right corner, the better.";
        draw("precision-recall", caption, Figure::PrecisionRecall(curve))
    });
    let reliability = figures.reliability.as_ref().filter(|_| draws_reliability);
    let reliability = reliability.and_then(|curve| {
        let caption = calibration::caption(curve);
        draw("reliability", &caption, Figure::Reliability(curve))
    });
    [roc, precision, reliability]
        .into_iter()
        .flatten()
        .collect()
}
