//! The results of predicting a list of images.

use crate::data::source::Skipped;

/// The prediction for an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Name of the image.
    pub name: String,
    /// Index of the predicted class.
    pub predicted: usize,
    /// Probability of each class.
    pub probabilities: Vec<f32>,
    /// Short texts about what the image has unlike the training images.
    pub warnings: Vec<String>,
    /// Its heat map, if there is one.
    pub heat_map: Option<Drawn>,
}

/// The pictures of an image, as names of files in their folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The image with its heat map.
    pub file: String,
    /// The image alone.
    pub image: String,
    /// Largest value of the map; 0 if no place speaks for the predicted class.
    pub maximum: f32,
}

/// Predictions for a list of images.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicted {
    /// Names of the classes, in the order of the probabilities.
    pub classes: Vec<String>,
    /// Lowest probability of the last of two classes at which it is predicted; `None` if the most probable class is
    /// predicted.
    pub threshold: Option<f32>,
    /// In the order of the list, without images that were left out.
    pub images: Vec<Prediction>,
    /// Images that cannot be used.
    pub skipped: Vec<Skipped>,
    /// How heat maps were computed: `Grad-CAM of layer 4`.
    pub technique: Option<String>,
}

impl Predicted {
    /// Formats the decision rule as `threshold 0.620 of PNEUMONIA`.
    pub fn rule(&self) -> String {
        match (self.threshold, self.classes.last()) {
            (Some(threshold), Some(class)) => format!("threshold {threshold:.3} of {class}"),
            _ => "most probable class".to_owned(),
        }
    }

    /// Returns the number of images with warnings.
    pub fn warned(&self) -> usize {
        let images = self.images.iter();
        images.filter(|image| !image.warnings.is_empty()).count()
    }
}
