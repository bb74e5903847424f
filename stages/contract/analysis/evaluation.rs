//! The results of an evaluation for every image.

/// The results of an evaluation for every image, in the order of its dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Names of the images.
    pub names: Vec<String>,
    /// The class of each image, as an index of `classes`.
    pub labels: Vec<u32>,
    /// The predicted class of each image.
    pub predicted: Vec<u32>,
    /// The probability of each class for each image, row by row.
    pub probabilities: Vec<f32>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The class that counts as positive.
    pub positive: u32,
}
