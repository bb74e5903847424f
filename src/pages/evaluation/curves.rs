//! The curves of an evaluation.

use contract::analysis::{EvaluationFigures, Figure};

use crate::figure::FigureView;
use crate::reader::Reader;
use crate::stage::StageView;

/// Draws the curves that an evaluation has. Captions say how to read them.
pub(super) fn drawn(
    reader: Reader<'_>,
    stage: &StageView,
    figures: &EvaluationFigures,
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
    let reliability = figures.reliability.as_ref();
    let reliability = reliability.and_then(|curve| {
        let caption = "Points on the diagonal: predicted probabilities are as high as the observed shares. Bars: 95 % intervals.";
        draw("reliability", caption, Figure::Reliability(curve))
    });
    [roc, precision, reliability]
        .into_iter()
        .flatten()
        .collect()
}
