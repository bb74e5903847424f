//! Heat maps of some of the images that a model is evaluated on.
//!
//! The figure port gets a picture of each image beside its heat map, a page with all of them (`heat_maps.png`), and
//! [`RECORD_FILE`], from which reports make their captions. Each map is for the class that the model predicted.

mod record;
mod selection;

use std::path::Path;

use contract::{Context, Failure, ImageShape, Invalid, Signature, bare_name, json, ranges};
use images::{Resizer, fit_bytes};
use ops::Backend;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::report::Report;
use crate::data::Dataset;
use crate::figures::heat;
use crate::figures::heat_maps::{Cell, Legend, heat_maps};
use crate::heat_maps::{HeatMap, MOST_OPACITY, Method, Overlay, Target, colored, overlay};
use crate::nets::Classifier;
use record::{Explained, Record};

pub use record::{RECORD_FILE, read};

/// Largest number of images.
const MOST_IMAGES: usize = 100;
/// Number of images on the page with all of them. Further ones have pictures of their own only.
const ON_PAGE: usize = 24;
/// Largest side of a picture in pixels. Smaller images are enlarged by a whole factor.
const SHOWN: usize = 192;
/// Number of gray pixels between an image and its heat map, and their value.
const GAP: usize = 4;
const BETWEEN: u8 = 0x80;
/// Number of steps in the scale of colors, and the gray that is below it.
const STEPS: usize = 120;
const BELOW: u8 = 0x80;
/// Longest name of an image on the page, in characters. Its end is kept.
const LONGEST: usize = 28;

/// Name of the page with all heat maps.
const PAGE_FILE: &str = "heat_maps.png";

/// Heat maps: which places of an image speak for the predicted class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct HeatMaps {
    /// Number of images: one half are the most confident errors, the other half the most confident correct images of
    /// each class in turn. 0 for no heat maps.
    #[schemars(range(min = 0, max = MOST_IMAGES), extend("x-unit" = "images"))]
    pub images: usize,
    /// Method by which heat maps are computed.
    #[serde(deserialize_with = "bare_name::deserialize")]
    pub method: Method,
}

impl Default for HeatMaps {
    fn default() -> Self {
        Self {
            images: 8,
            method: Method::default(),
        }
    }
}

impl HeatMaps {
    /// Checks the parameters against the model, as far as it is known before it exists.
    pub(super) fn check(&self, model: Option<Signature>) -> Result<(), Invalid> {
        ranges::whole("images", self.images, 0, MOST_IMAGES)?;
        self.method.check().map_err(|e| e.under("method"))?;
        let Some(Signature::Model {
            image,
            convolutions: Some(convolutions),
        }) = model
        else {
            return match model {
                None if self.images > 0 => {
                    Err(Invalid::new("heat maps need the input `model`").hint("remove `heat_maps`"))
                }
                _ => Ok(()),
            };
        };
        if self.images == 0 {
            return Ok(());
        }
        let fits = self
            .method
            .for_model(image, convolutions.layers(), &convolutions.numbers());
        fits.map(drop).map_err(|e| e.under("method"))
    }
}

/// Computes and draws the heat maps of an evaluation into `folder`. `wanted` is `None` for the default: Grad-CAM if
/// the model has a layer for it, else nothing.
pub(super) fn write<B: Backend>(
    wanted: Option<&HeatMaps>,
    classifier: &mut Classifier<B>,
    (dataset, report): (&Dataset, &Report<'_>),
    batch_size: usize,
    context: &Context<'_>,
    folder: &Path,
) -> Result<(), Failure> {
    let default = HeatMaps::default();
    if wanted.is_none() && classifier.architecture().convolutions().is_empty() {
        return Ok(());
    }
    let HeatMaps { images, method } = wanted.unwrap_or(&default);
    let explained = selection::explained(report, dataset.names(), *images);
    if explained.is_empty() {
        return Ok(());
    }
    let target = |one: &Explained| Target {
        image: dataset.image(one.index),
        class: one.predicted as usize,
    };
    let targets: Vec<Target<'_>> = explained.iter().map(target).collect();
    let check = || context.check_cancelled();
    let maps = classifier.heat_maps(&targets, *method, batch_size, &check)?;
    let pictures: Vec<Pictures> = targets
        .iter()
        .zip(&maps)
        .map(|(target, map)| Pictures::new(target.image, dataset.shape(), map))
        .collect::<Result<_, _>>()?;
    let record = Record::new(report.classes, &explained, &maps);
    for ((picture, map), entry) in pictures.iter().zip(&maps).zip(&record.images) {
        let path = folder.join(&entry.picture);
        let description = map.description(&entry.predicted);
        std::fs::write(&path, picture.beside().png(&description)?)
            .map_err(|e| Failure::io("write", &path, e))?;
    }
    page(&record, &pictures, &folder.join(PAGE_FILE))?;
    json::write(&folder.join(RECORD_FILE), &record)
}

/// An image and the same with its heat map, in the size in which they are shown.
struct Pictures {
    shape: ImageShape,
    image: Vec<u8>,
    overlay: Vec<u8>,
}

impl Pictures {
    fn new(image: &[u8], shape: ImageShape, map: &HeatMap) -> Result<Self, Failure> {
        let image = colored(image, shape.channels);
        let (image, shape) = shown(&image, shape);
        Ok(Self {
            overlay: overlay(&image, shape, map)?.pixels,
            shape,
            image,
        })
    }

    /// Returns both side by side.
    fn beside(&self) -> Overlay {
        let line = self.shape.width * 3;
        let rows = self
            .image
            .chunks_exact(line)
            .zip(self.overlay.chunks_exact(line));
        Overlay {
            height: self.shape.height,
            width: 2 * self.shape.width + GAP,
            pixels: rows
                .flat_map(|(image, overlay)| [image, &[BETWEEN; 3 * GAP], overlay].concat())
                .collect(),
        }
    }
}

/// Returns an RGB image in the size in which it is shown.
fn shown(image: &[u8], shape: ImageShape) -> (Vec<u8>, ImageShape) {
    let ImageShape { height, width, .. } = shape;
    let longer = height.max(width);
    if longer > SHOWN {
        let side = |length: usize| ((length * SHOWN + longer / 2) / longer).max(1);
        let to = ImageShape {
            height: side(height),
            width: side(width),
            channels: 3,
        };
        let mut resizer = Resizer::new();
        return (
            fit_bytes(image.to_vec(), (width, height), 3, to, &mut resizer),
            to,
        );
    }
    let factor = SHOWN / longer;
    let enlarged = image.chunks_exact(width * 3).flat_map(|row| {
        let pixels = row.chunks_exact(3);
        let line: Vec<u8> = pixels.flat_map(|pixel| pixel.repeat(factor)).collect();
        line.repeat(factor)
    });
    let to = ImageShape {
        height: height * factor,
        width: width * factor,
        channels: 3,
    };
    (enlarged.collect(), to)
}

/// Draws the page with the first heat maps.
fn page(record: &Record, pictures: &[Pictures], path: &Path) -> Result<(), Failure> {
    let cells = record.images.iter().zip(pictures).take(ON_PAGE);
    let cells: Vec<Cell<'_>> = cells
        .map(|(entry, picture)| Cell {
            image: &picture.image,
            overlay: &picture.overlay,
            lines: lines(entry),
        })
        .collect();
    let steps = (0..STEPS).map(|step| step as f64 / (STEPS - 1) as f64);
    let scale: Vec<u8> = steps.flat_map(on_gray).collect();
    let legend = Legend {
        title: &format!(
            "Places that speak for the predicted class: {}",
            record.technique
        ),
        scale: &scale,
        ends: ["0", "largest value of each map; each map has its own scale"],
    };
    heat_maps(&legend, &cells, pictures[0].shape, path)
}

/// Returns the lines of text beside a picture.
fn lines(entry: &record::Entry) -> Vec<String> {
    let verdict = if entry.predicted == entry.label {
        "correct"
    } else {
        "wrong"
    };
    vec![
        format!("predicted {} ({:.3})", entry.predicted, entry.probability),
        format!("class {}: {verdict}", entry.label),
        tail(&entry.name),
        match entry.maximum {
            0.0 => "no place speaks for it".to_owned(),
            maximum => format!("largest value {maximum:.3}"),
        },
    ]
}

/// Returns the end of a name.
fn tail(name: &str) -> String {
    let length = name.chars().count();
    if length <= LONGEST {
        return name.to_owned();
    }
    let kept = name.chars().skip(length - LONGEST + 1);
    std::iter::once('…').chain(kept).collect()
}

/// Returns the color of a share of the largest value on medium gray.
fn on_gray(share: f64) -> [u8; 3] {
    let opacity = share * f64::from(MOST_OPACITY);
    let below = f64::from(BELOW);
    heat(share).map(|color| (below + opacity * (f64::from(color) - below)).round() as u8)
}

#[cfg(test)]
mod tests {
    use contract::ImageShape;

    use super::{shown, tail};

    #[test]
    fn images_are_shown_in_a_common_size() {
        let shape = |height, width| ImageShape {
            height,
            width,
            channels: 3,
        };
        let (pixels, found) = shown(&[1, 2, 3, 4, 5, 6], shape(1, 2));
        assert_eq!(found, shape(96, 192));
        assert_eq!(pixels.len(), found.len());
        assert_eq!(pixels[..6], [1, 2, 3, 1, 2, 3]);
        assert_eq!(pixels[pixels.len() - 3..], [4, 5, 6]);
        for (from, to) in [((192, 100), (192, 100)), ((100, 384), (50, 192))] {
            let from = shape(from.0, from.1);
            let (pixels, found) = shown(&vec![7; from.len()], from);
            assert_eq!(found, shape(to.0, to.1));
            assert!(pixels.len() == found.len() && pixels.iter().all(|&value| value == 7));
        }
    }

    #[test]
    fn the_end_of_a_long_name_is_kept() {
        assert_eq!(tail("a.png"), "a.png");
        let name = format!("{}/é{}", "x".repeat(50), "y".repeat(26));
        assert_eq!(tail(&name), format!("…é{}", "y".repeat(26)));
    }
}
