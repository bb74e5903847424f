//! Warns of figures that cannot be meaningful.

use super::report::Report;
use crate::contract::{Context, Metrics};
use crate::data::absent_classes;

/// Warns if classes have no image, if all images get the same answer, or if the ROC AUC may be chance.
pub(super) fn warn(report: &Report<'_>, metrics: &Metrics, context: &Context<'_>) {
    let predictions = report.predictions;
    let images = predictions.labels.len();
    if images == 0 {
        context.warn("there is no image to measure on, so there are no figures");
        return;
    }
    let absent = absent_classes(report.classes, predictions.labels);
    if let Some(absent) = &absent {
        context.warn(format!(
            "no image of {absent} among the {images} to measure on: recall, F1 and the like are not those of all classes"
        ));
    }
    let mut rows = predictions.probabilities.chunks_exact(predictions.classes);
    let first = rows.next().unwrap_or_default();
    if images > 1 && rows.all(|row| row == first) {
        let score = first[report.positive];
        context.warn(format!(
            "all {images} images got the score {score}: the model tells no classes apart"
        ));
        return;
    }
    let decided = predictions.decide(report.decision);
    if absent.is_none() && decided.iter().all(|class| *class == decided[0]) {
        let class = &report.classes[decided[0] as usize];
        context.warn(format!("all {images} images were taken for `{class}`"));
    }
    if let Some(auc) = metrics.get("roc_auc")
        && let Some([low, high]) = auc.interval
        && (low..=high).contains(&0.5)
    {
        context.warn(format!(
            "the ROC AUC of {:.3} has the interval [{low:.3}, {high:.3}], which contains 0.5, as if by chance",
            auc.value
        ));
    }
}
