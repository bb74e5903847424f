//! Heat maps of predicted images, drawn on the images.

use std::path::{Path, PathBuf};

use contract::{Context, Failure, ImageShape, is_printable};
use images::{Original, Resizer};
use ops::Backend;
use rayon::prelude::*;

use super::batch::Read;
use super::predicted::{Drawn, Prediction};
use super::settings::Settings;
use crate::data::Dataset;
use crate::heat_maps::{HeatMap, Method, Overlay, Target, overlay};
use crate::nets::{Classifier, ClassifierCard};

/// Range of the longer side of a picture, in pixels. Images are made larger or smaller to be within it.
const SIDES: (u32, u32) = (192, 512);

/// Longest part of an image's name in the name of a picture, in characters.
const LONGEST: usize = 80;

/// Folder of the images without heat maps, in the folder of the heat maps.
const IMAGES: &str = "images";

/// Draws heat maps into a folder.
pub(super) struct Explanation {
    folder: PathBuf,
    method: Method,
    /// Number of digits of the numbers in file names.
    digits: usize,
}

/// Predicted images to draw.
pub(super) struct Explained<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) images: &'a [Read],
    pub(super) predictions: &'a mut [Prediction],
    /// Number of images before these.
    pub(super) first: usize,
}

impl Explanation {
    /// Chooses Grad-CAM of the last convolutional layer, or occlusion if the classifier has no such layer.
    ///
    /// # Errors
    /// If folders cannot be created.
    pub(super) fn new(
        folder: &Path,
        card: &ClassifierCard,
        images: usize,
    ) -> Result<Self, Failure> {
        let inner = folder.join(IMAGES);
        std::fs::create_dir(&inner).map_err(|e| Failure::io("create", &inner, e))?;
        let method = match card.architecture.convolutions().is_empty() {
            false => Method::default(),
            true => Method::Occlusion {
                size: None,
                stride: None,
            },
        };
        Ok(Self {
            folder: folder.to_owned(),
            method,
            digits: images.to_string().len(),
        })
    }

    /// Draws two pictures of each image: the image alone, and which of its places speak for the predicted class. Sets the
    /// names of the files. Returns how the maps are computed.
    pub(super) fn write<B: Backend>(
        &self,
        drawn: &mut Explained<'_>,
        classifier: &mut Classifier<B>,
        settings: &Settings,
        context: &Context<'_>,
    ) -> Result<Option<String>, Failure> {
        let targets: Vec<Target<'_>> = drawn
            .predictions
            .iter()
            .enumerate()
            .map(|(index, prediction)| Target {
                image: drawn.dataset.image(index),
                class: prediction.predicted,
            })
            .collect();
        let check = || context.check_cancelled();
        let maps = classifier.heat_maps(&targets, self.method, settings.batch_size, &check)?;
        let classes = classifier.classes();
        let first = drawn.first;
        drawn
            .predictions
            .par_iter_mut()
            .zip(drawn.images)
            .zip(&maps)
            .enumerate()
            .try_for_each_init(
                Resizer::new,
                |resizer, (index, ((prediction, read), map))| {
                    let file = self.file_name(first + index + 1, &read.image.name);
                    let drawn = Drawn {
                        image: format!("{IMAGES}/{file}"),
                        file,
                        maximum: map.maximum(),
                    };
                    let [image, marked] = pictures(read, map, &classes[map.class], resizer)?;
                    self.put(&drawn.image, &image)?;
                    self.put(&drawn.file, &marked)?;
                    prediction.heat_map = Some(drawn);
                    Ok::<(), Failure>(())
                },
            )?;
        Ok(maps.first().map(|map| map.technique.to_string()))
    }

    fn put(&self, name: &str, picture: &[u8]) -> Result<(), Failure> {
        let path = self.folder.join(name);
        std::fs::write(&path, picture).map_err(|e| Failure::io("write", &path, e))
    }

    /// Returns a name such as `07-IM-0115-0001.png`, without characters that mean something to a shell or a terminal.
    fn file_name(&self, number: usize, image: &str) -> String {
        let stem = Path::new(image).file_stem();
        let stem = stem.map(|stem| stem.to_string_lossy()).unwrap_or_default();
        let is_plain = |c: char| c.is_alphanumeric() || "._-".contains(c);
        let stem: String = stem
            .chars()
            .take(LONGEST)
            .map(|c| {
                if is_plain(c) && is_printable(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        format!("{number:0digits$}-{stem}.png", digits = self.digits)
    }
}

/// Returns the PNG files of an image, and of the image with its heat map.
fn pictures(
    read: &Read,
    map: &HeatMap,
    class: &str,
    resizer: &mut Resizer,
) -> Result<[Vec<u8>; 2], Failure> {
    let shape = shown(read.original);
    let path = &read.image.path;
    let found = read.decoder.read(path, shape, resizer);
    // It could be read before.
    let (pixels, _) = found.map_err(|reason| Failure::io("read", path, reason))?;
    let marked = overlay(&pixels, shape, map)?.png(&map.description(class))?;
    let image = Overlay {
        height: shape.height,
        width: shape.width,
        pixels,
    };
    Ok([image.png("the image without its heat map")?, marked])
}

/// Returns the shape in which an image is shown.
fn shown(original: Original) -> ImageShape {
    let Original { width, height, .. } = original;
    let longer = u64::from(width.max(height)).max(1);
    let to = longer.clamp(SIDES.0.into(), SIDES.1.into());
    let side = |length: u32| ((u64::from(length) * to + longer / 2) / longer).max(1) as usize;
    ImageShape {
        height: side(height),
        width: side(width),
        channels: 3,
    }
}

#[cfg(test)]
mod tests {
    use images::Seen;

    use super::*;

    #[test]
    fn names_of_pictures_are_plain() {
        let explanation = Explanation {
            folder: PathBuf::new(),
            method: Method::default(),
            digits: 3,
        };
        for (image, expected) in [
            ("a/b/IM-0115.v2.jpeg", "007-IM-0115.v2.png"),
            ("$(rm) 'x';\u{1b}\n.png", "007-__rm___x____.png"),
            ("..", "007-.png"),
            ("übung.png", "007-übung.png"),
        ] {
            assert_eq!(explanation.file_name(7, image), expected);
        }
        let long = explanation.file_name(7, &"é".repeat(300));
        assert!(long.len() < 200, "{long}");
    }

    #[test]
    fn pictures_keep_the_shape_of_the_image() {
        for (width, height, expected) in [
            (2000, 1000, (512, 256)),
            (20, 10, (192, 96)),
            (300, 400, (300, 400)),
            (10_000, 1, (512, 1)),
        ] {
            let shape = shown(Original {
                width,
                height,
                loses_color: false,
                seen: Seen {
                    has_several: false,
                    brightest: None,
                },
            });
            assert_eq!((shape.width, shape.height), expected);
        }
    }
}
