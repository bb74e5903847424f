//! Heat maps that an evaluation drew: which places of an image speak for the predicted class.

/// The heat maps of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMaps {
    /// The method in words: `Grad-CAM of layer 3`.
    pub technique: String,
    pub images: Vec<ExplainedImage>,
}

/// An image with its heat map.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainedImage {
    pub name: String,
    pub label: String,
    pub predicted: String,
    /// Probability of the predicted class.
    pub probability: f64,
    /// Largest value of the map, in units of the logit of the predicted class; 0 if no place speaks for it.
    pub maximum: f64,
    /// Name of a PNG in the same output: the image beside its heat map.
    pub picture: String,
}
