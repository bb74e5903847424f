//! Predictions as a table with a line for each image.

use std::path::Path;

use super::prediction::{Predicted, Prediction};

/// Returns the columns: the name, the predicted class, the probability of each class, and the warnings.
pub fn columns(classes: &[String]) -> Vec<String> {
    let words = ["name", "predicted"].map(str::to_owned).into_iter();
    let probabilities = classes.iter().map(|class| format!("p_{class}"));
    let warnings = ["warnings".to_owned()];
    words.chain(probabilities).chain(warnings).collect()
}

/// Returns the fields of a prediction, in the order of [`columns`]. Probabilities have as many digits as are needed to read
/// the same number again.
pub fn fields(prediction: &Prediction, classes: &[String]) -> Vec<String> {
    let words = [
        prediction.name.clone(),
        classes[prediction.predicted].clone(),
    ];
    let probabilities = prediction.probabilities.iter().map(f32::to_string);
    let warnings = [prediction.warnings.join("; ")];
    words
        .into_iter()
        .chain(probabilities)
        .chain(warnings)
        .collect()
}

/// Writes the table as CSV. Fields are quoted as in RFC 4180.
pub(super) fn write(predicted: &Predicted, path: &Path) -> Result<(), csv::Error> {
    let mut table = csv::Writer::from_path(path)?;
    table.write_record(columns(&predicted.classes))?;
    for prediction in &predicted.images {
        table.write_record(fields(prediction, &predicted.classes))?;
    }
    table.flush()?;
    Ok(())
}
