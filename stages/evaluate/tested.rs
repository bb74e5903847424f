//! [`Tested`]: labelled images with their predicted probabilities, from a model or from another program.

use contract::{Artifact, Failure};

use super::listed;
use crate::data::Dataset;

/// Labelled images with their predicted probabilities. Lists have an entry for each image.
#[derive(Debug)]
pub(super) struct Tested {
    pub names: Vec<String>,
    /// The group of each image; empty if the images have none.
    pub groups: Vec<String>,
    /// The class of each image, as an index into `classes`.
    pub labels: Vec<u32>,
    pub classes: Vec<String>,
    /// The probability of each class for each image, row by row.
    pub probabilities: Vec<f32>,
    /// Checksum of the pixels of all images; `None` without images.
    pub pixels: Option<String>,
    /// The threshold that is stored with the model, on the probability of the last class.
    pub threshold: Option<f32>,
}

/// Returns the labels of the images as indices into the classes of the model. Images from another source may lack some
/// of the model's classes, or have them in another order.
///
/// # Errors
/// If the images have a class that the model does not know.
pub(super) fn labels_for(
    model: (&Artifact, &[String]),
    images: (&Artifact, &Dataset),
) -> Result<Vec<u32>, Failure> {
    let ((model, classes), (images, dataset)) = (model, images);
    let place = |class: &String| classes.iter().position(|known| known == class);
    let places: Option<Vec<usize>> = dataset.classes().iter().map(place).collect();
    let places = places.ok_or_else(|| {
        Failure::Data(format!(
            "model `{}` has the classes {}, but the images of `{}` have the classes {}",
            model.label,
            listed(classes),
            images.label,
            listed(dataset.classes()),
        ))
    })?;
    let labels = dataset.labels().iter();
    Ok(labels.map(|&label| places[label as usize] as u32).collect())
}

/// Returns the group of each image; empty if no image has one. An image without a group is a group of its own, and
/// gets its own name.
pub(super) fn groups(dataset: &Dataset) -> Vec<String> {
    let named = dataset.groups().iter().zip(dataset.names());
    named
        .map(|(group, name)| if group.is_empty() { name } else { group }.clone())
        .collect()
}
