//! [`HeatMapsView`]: which places of images speak for the predicted class.

use contract::analysis::{ExplainedImage, HeatMaps};

use crate::metric::significant;
use crate::picture::Picture;
use crate::reader::Reader;
use crate::stage::StageView;

/// Most heat maps that are shown.
const SHOWN: usize = 24;

/// The heat maps of an evaluation.
#[derive(Clone, Debug)]
pub struct HeatMapsView {
    /// The method in words: `Grad-CAM of layer 3`.
    pub technique: String,
    pub images: Vec<HeatMapView>,
    /// Number of heat maps that are not shown.
    pub more: usize,
}

/// An image beside its heat map.
#[derive(Clone, Debug)]
pub struct HeatMapView {
    /// Unique on the page.
    pub id: String,
    pub name: String,
    pub label: String,
    pub predicted: String,
    /// Probability of the predicted class.
    pub probability: String,
    pub is_correct: bool,
    /// Largest value of the map; `None` if no place speaks for the predicted class.
    pub maximum: Option<String>,
    pub picture: Picture,
}

impl HeatMapView {
    /// Text for readers who do not see the picture.
    pub fn alt(&self) -> String {
        let Self {
            name,
            label,
            predicted,
            ..
        } = self;
        format!(
            "{name}, an image of class {label}, beside the same with the places marked that speak for {predicted}"
        )
    }
}

/// Reads the heat maps of a stage; `None` if it drew none.
pub(super) fn heat_maps(reader: Reader<'_>, stage: &StageView) -> Option<HeatMapsView> {
    let name = reader.analysis.heat_maps_file();
    let (digest, content) = stage.outputs.iter().find_map(|output| {
        let has_list = reader.tree(&output.digest)?.files.contains_key(name);
        has_list.then(|| Some((output.digest, reader.file(&output.digest, name)?)))?
    })?;
    let found = reader.analysis.read_heat_maps(&content);
    let found = found.inspect_err(|error| tracing::warn!("{}: {error}", stage.name));
    let HeatMaps { technique, images } = found.ok()?;
    let view = |(position, image): (usize, ExplainedImage)| HeatMapView {
        id: format!("{}-heat-map-{position}", stage.id),
        is_correct: image.label == image.predicted,
        name: image.name,
        label: image.label,
        predicted: image.predicted,
        probability: format!("{:.3}", image.probability),
        maximum: (image.maximum > 0.0).then(|| significant(image.maximum)),
        picture: Picture::File {
            output: digest,
            name: image.picture,
        },
    };
    let more = images.len().saturating_sub(SHOWN);
    let shown = (1..).zip(images).take(SHOWN);
    Some(HeatMapsView {
        technique,
        images: shown.map(view).collect(),
        more,
    })
}
