//! The page beside heat maps.

use std::fs;
use std::path::Path;

use engine::error::Error;
use pages::{ExplainedView, Explanation};
use stages::predict::{Predicted, Prediction, Skipped};

/// Name of the page.
pub(super) const INDEX: &str = "index.html";

/// Writes the page about a model's predictions into the folder of the heat maps. `omitted` are the files that were not
/// read as images.
pub(super) fn write(
    model: &str,
    predicted: &Predicted,
    omitted: &[Skipped],
    folder: &Path,
) -> Result<(), Error> {
    let images = predicted.images.iter();
    // Backticks mark names in a terminal.
    let left_out = predicted.skipped.iter().chain(omitted);
    let left_out =
        left_out.map(|Skipped { image, reason, .. }| (image.clone(), reason.replace('`', "")));
    let page = Explanation {
        model: model.to_owned(),
        rule: predicted.rule(),
        technique: predicted.technique.clone().unwrap_or_default(),
        images: images.filter_map(|image| view(image, predicted)).collect(),
        left_out: left_out.collect(),
    };
    let text = page.page().map_err(|e| Error::Internal(e.to_string()))?;
    let file = folder.join(INDEX);
    fs::write(&file, text).map_err(Error::io("write", &file))
}

/// Returns `None` if the image has no heat map.
fn view(prediction: &Prediction, predicted: &Predicted) -> Option<ExplainedView> {
    let map = prediction.heat_map.as_ref()?;
    let probability = prediction.probabilities[prediction.predicted];
    Some(ExplainedView {
        name: prediction.name.clone(),
        predicted: predicted.classes[prediction.predicted].clone(),
        probability: format!("{probability:.3}"),
        warnings: prediction.warnings.clone(),
        image: map.image.clone(),
        map: map.file.clone(),
        maximum: map.maximum.into(),
    })
}
