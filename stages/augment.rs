//! Kind `augment`: gives a dataset random transforms, which training draws again in every epoch.
//!
//! Because the transforms are applied during training, the artifact consists of the input's images and the
//! policy, which holds the ranges of the transforms.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use contract::{
    Accepts, ArtifactType, Context, Expected, Failure, Input, Invalid, KindInfo, Output, Signature,
    Stage, Usage, Work, files, json,
};
use serde_json::Value;

use crate::data::transform::Transform;
use crate::data::{Dataset, HEADER_FILE, IMAGES_FILE, POLICY_FILE, Policy};
use crate::figures::grid::{Row, grid};

pub const INFO: KindInfo = KindInfo {
    name: "augment",
    version: 2,
    doc: "transforms images at random, differently in every epoch, like the `ImageDataGenerator` of Keras 3",
    inputs: &[Input {
        role: "images",
        accepts: Accepts(&[ArtifactType::Dataset]),
        many: false,
        optional: false,
        usage: Usage::Forwards,
        doc: "the images to transform",
    }],
    outputs: &[
        Output {
            port: "images",
            yields: ArtifactType::Dataset,
            doc: "the images, with the policy that transforms them",
            metrics: &[],
        },
        Output {
            port: "figure",
            yields: ArtifactType::Figure,
            doc: "`augmented.png`: some images, and their transforms in the first epochs",
            metrics: &[],
        },
    ],
    has_primary: true,
    model_params: &[],
    text_params: &[],
    positive_param: None,
    fold_param: None,
    declares_ports: false,
    computes: false,
};

/// Parameters of the kind `augment`: the policy itself.
pub type Params = Policy;

const FIGURE_FILE: &str = "augmented.png";
/// Number of images in the figure.
const SHOWN: usize = 6;
/// Number of transformed versions of each image in the figure.
const EPOCHS: u64 = 7;

impl Stage for Policy {
    fn canonical(&self) -> Value {
        json::value(self)
    }

    fn check(
        &self,
        inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid> {
        Policy::check(self)?;
        let Some(
            [
                Signature::Dataset {
                    image,
                    augmented,
                    classes,
                },
            ],
        ) = inputs.get("images").map(Vec::as_slice)
        else {
            return Err(Invalid::new("input `images` must be one dataset"));
        };
        if *augmented {
            return Err(Invalid::new("input `images` is already augmented")
                .hint("put all transforms into one `augment` stage"));
        }
        let images = Signature::Dataset {
            image: *image,
            augmented: true,
            classes: *classes,
        };
        Ok([("images", images), ("figure", Signature::Figure)]
            .map(|(port, signature)| (port.to_owned(), signature))
            .into())
    }

    fn work(&self, inputs: &BTreeMap<String, Vec<Expected>>) -> Work {
        let source = inputs.get("images").and_then(|images| images.first());
        let images = source.and_then(|source| source.images);
        Work {
            // The images are hard links to those of the input.
            output_bytes: Some(0),
            images: images
                .map(|n| ("images".to_owned(), n))
                .into_iter()
                .collect(),
            ..Work::default()
        }
    }

    fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let source = context.input("images")?;
        let images = context.output("images")?;
        link_or_copy(source.file(IMAGES_FILE)?, &images.join(IMAGES_FILE))?;
        link_or_copy(source.file(HEADER_FILE)?, &images.join(HEADER_FILE))?;
        json::write(&images.join(POLICY_FILE), self)?;
        let path = context.output("figure")?.join(FIGURE_FILE);
        preview(&Dataset::open(source)?, self, context.seed, &path)
    }
}

/// Creates a hard link to a file, or copies the file if that fails.
fn link_or_copy(from: &Path, to: &Path) -> Result<(), Failure> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    files::copy(from, to).map_err(|e| Failure::io("copy", from, e))
}

/// Draws images that are spaced evenly over the dataset, each followed by its transforms in the first epochs.
fn preview(dataset: &Dataset, policy: &Policy, seed: u64, path: &Path) -> Result<(), Failure> {
    let shape = dataset.shape();
    let shown = SHOWN.min(dataset.len());
    let rows: Vec<(&str, Vec<Vec<u8>>)> = (0..shown)
        .map(|k| {
            let i = k * dataset.len() / shown;
            let original = dataset.image(i);
            let transformed = (0..EPOCHS).map(|epoch| {
                let mut out = vec![0.0; shape.len()];
                let transform = Transform::draw(policy, shape, seed, epoch, i as u64);
                transform.apply(original, shape, |value| value, &mut out);
                interleaved(&out, shape.channels)
            });
            let images = std::iter::once(original.to_vec()).chain(transformed);
            let class = dataset.labels()[i] as usize;
            (dataset.classes()[class].as_str(), images.collect())
        })
        .collect();
    let rows: Vec<Row<'_>> = rows
        .iter()
        .map(|(label, images)| Row {
            label,
            images: images.iter().map(Vec::as_slice).collect(),
        })
        .collect();
    grid(&rows, shape, path)
}

/// Converts CHW values in the range 0 to 255 into HWC bytes.
fn interleaved(planes: &[f32], channels: usize) -> Vec<u8> {
    let plane = planes.len() / channels;
    (0..planes.len())
        .map(|at| (planes[at % channels * plane + at / channels] + 0.5) as u8)
        .collect()
}
