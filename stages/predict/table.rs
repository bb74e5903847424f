//! Predictions as a table with a line for each image.

use std::path::Path;

use super::predicted::{Predicted, Prediction};

impl Predicted {
    /// Returns the columns: the name, the predicted class, the probability of each class, the warnings, and the file and
    /// the largest value of the heat map, if there are heat maps.
    pub fn columns(&self) -> Vec<String> {
        let words = ["name", "predicted"].map(str::to_owned).into_iter();
        let probabilities = self.classes.iter().map(|class| format!("p_{class}"));
        let warnings = ["warnings".to_owned()];
        let heat_map = self.is_explained();
        let heat_map = heat_map.then(|| ["heat_map", "heat_map_maximum"].map(str::to_owned));
        words
            .chain(probabilities)
            .chain(warnings)
            .chain(heat_map.into_iter().flatten())
            .collect()
    }

    /// Returns the fields of one of its predictions, in the order of the columns. Probabilities have as many digits as are
    /// needed to read the same number again.
    pub fn fields(&self, prediction: &Prediction) -> Vec<String> {
        let words = [
            prediction.name.clone(),
            self.classes[prediction.predicted].clone(),
        ];
        let probabilities = prediction.probabilities.iter().map(f32::to_string);
        let warnings = [prediction.warnings.join("; ")];
        let heat_map = prediction.heat_map.as_ref();
        let heat_map = heat_map.map(|map| [map.file.clone(), map.maximum.to_string()]);
        let heat_map = heat_map.into_iter().flatten();
        let all = words.into_iter().chain(probabilities);
        all.chain(warnings).chain(heat_map).collect()
    }

    fn is_explained(&self) -> bool {
        self.images.iter().any(|image| image.heat_map.is_some())
    }
}

/// Writes the table as CSV. Fields are quoted as in RFC 4180.
pub(super) fn write(predicted: &Predicted, path: &Path) -> Result<(), csv::Error> {
    let mut table = csv::Writer::from_path(path)?;
    table.write_record(predicted.columns())?;
    for prediction in &predicted.images {
        table.write_record(predicted.fields(prediction))?;
    }
    table.flush()?;
    Ok(())
}
