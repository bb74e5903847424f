//! The content of `heat_maps.json`.

use contract::analysis::{ExplainedImage, HeatMaps};
use serde::{Deserialize, Serialize};

use crate::heat_maps::HeatMap;

/// Name of the file that lists heat maps.
pub const RECORD_FILE: &str = "heat_maps.json";

/// An image that gets a heat map.
pub(super) struct Explained {
    /// Position in the dataset.
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) label: u32,
    pub(super) predicted: u32,
    /// Probability of the predicted class.
    pub(super) probability: f32,
}

/// Content of `heat_maps.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// The method in words: `Grad-CAM of layer 3`.
    pub(super) technique: String,
    pub(super) images: Vec<Entry>,
}

/// An image and its heat map, which is for the predicted class.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) predicted: String,
    /// Probability of the predicted class.
    pub(super) probability: f32,
    /// Largest value of the map, in units of the logit of the predicted class.
    pub(super) maximum: f32,
    /// Name of the picture: the image beside its heat map.
    pub(super) picture: String,
}

impl Record {
    /// Returns the record of these maps, of which there is at least one.
    pub(super) fn new(classes: &[String], explained: &[Explained], maps: &[HeatMap]) -> Self {
        let class = |at: u32| classes[at as usize].clone();
        let images = explained.iter().zip(maps).zip(1..);
        Self {
            technique: maps[0].technique.to_string(),
            images: images
                .map(|((one, map), number)| Entry {
                    name: one.name.clone(),
                    label: class(one.label),
                    predicted: class(one.predicted),
                    probability: one.probability,
                    maximum: map.maximum(),
                    picture: format!("heat_map_{number:02}.png"),
                })
                .collect(),
        }
    }
}

/// Reads the content of [`RECORD_FILE`].
///
/// # Errors
/// If the content is not such a record.
pub fn read(content: &[u8]) -> Result<HeatMaps, serde_json::Error> {
    let record: Record = serde_json::from_slice(content)?;
    let images = record.images.into_iter().map(|entry| ExplainedImage {
        name: entry.name,
        label: entry.label,
        predicted: entry.predicted,
        probability: f64::from(entry.probability),
        maximum: f64::from(entry.maximum),
        picture: entry.picture,
    });
    Ok(HeatMaps {
        technique: record.technique,
        images: images.collect(),
    })
}
