//! Kind `synthesize`: draws images from trained generators and writes them as a dataset.

use std::collections::BTreeMap;

use contract::{
    Accepts, Amount, ArtifactType, Context, Expected, Failure, ImageShape, Input, Invalid,
    KindInfo, Output, Signature, Stage, Usage, Work, json, ranges,
};
use ops::Backend;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::{Dataset, DatasetWriter};
use crate::device::{Computation, compute};
use crate::figures::grid::{Row, grid};
use crate::leakage::{Guard, memorised};
use crate::nets::{Drawing, Generator};

pub const INFO: KindInfo = KindInfo {
    name: "synthesize",
    version: 2,
    doc: "draws images of each class from generators, as a dataset",
    inputs: &[
        Input {
            role: "generators",
            accepts: Accepts(&[ArtifactType::Generator]),
            many: true,
            optional: false,
            usage: Usage::Inherits,
            doc: "one generator for each class",
        },
        Input {
            role: "train",
            accepts: Accepts(&[ArtifactType::Dataset]),
            many: true,
            optional: true,
            usage: Usage::Compares,
            doc: "the training images of the generators, to find copies of them",
        },
    ],
    outputs: &[
        Output {
            port: "images",
            yields: ArtifactType::Dataset,
            doc: "the generated images",
            metrics: &[],
        },
        Output {
            port: "figure",
            yields: ArtifactType::Figure,
            doc: "`images.png`: some images of each class; with `train`, `leakage.json`: how similar \
                  the nearest training images are, and `nearest.png`: the most similar pairs",
            metrics: &[],
        },
    ],
    has_primary: true,
    model_params: &[],
    text_params: &[],
    positive_param: None,
    fold_param: None,
    declares_ports: false,
    computes: true,
};

/// The parameters of `synthesize`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Synthesize {
    /// Number of images of each class.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = 10_000_000))]
    images: usize,
    /// Check for generated images that are copies of images of the input `train`.
    #[serde(default)]
    leakage: Guard,
}

fn thousand() -> usize {
    1000
}

/// Images per forward pass. Affects the results, because each batch has its own latent vectors.
const BATCH: usize = 64;
/// Number of images of each class in the figure.
const SHOWN: usize = 10;

impl Stage for Synthesize {
    fn canonical(&self) -> Value {
        json::value(self)
    }

    fn check(
        &self,
        inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid> {
        ranges::whole("images", self.images, 1, 10_000_000)?;
        let images: Vec<ImageShape> = inputs
            .get("generators")
            .into_iter()
            .flatten()
            .filter_map(|signature| match signature {
                Signature::Generator { image } => Some(*image),
                _ => None,
            })
            .collect();
        let Some(&image) = images.first() else {
            return Err(Invalid::new("input `generators` is empty"));
        };
        if let Some(other) = images.iter().find(|&&other| other != image) {
            return Err(Invalid::new(format!(
                "one generator makes images of {image}, but another makes {other}"
            )));
        }
        self.leakage.check("train", image, inputs)?;
        let dataset = Signature::Dataset {
            image,
            augmented: false,
            classes: Some(images.len()),
        };
        Ok([
            ("images".to_owned(), dataset),
            ("figure".to_owned(), Signature::Figure),
        ]
        .into())
    }

    fn work(&self, inputs: &BTreeMap<String, Vec<Expected>>) -> Work {
        let generators = inputs.get("generators").map_or(&[][..], Vec::as_slice);
        let images = (self.images * generators.len()) as u64;
        let image = generators.first().map(|first| first.signature);
        let Some(Signature::Generator { image }) = image else {
            return Work::default();
        };
        Work {
            amount: Some(Amount {
                count: images as f64,
                unit: "synthesis",
            }),
            output_bytes: Some(images * image.len() as u64),
            images: [("images".to_owned(), images)].into(),
            ..Work::default()
        }
    }

    fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let generating = Generating {
            stage: self,
            context,
        };
        compute(context.device, generating)
    }
}

/// One run of the stage.
struct Generating<'a> {
    stage: &'a Synthesize,
    context: &'a Context<'a>,
}

impl Computation for Generating<'_> {
    type Output = ();

    fn on<B: Backend>(self, device: B) -> Result<(), Failure> {
        let Self { stage, context } = self;
        let artifacts = context.inputs("generators");
        let mut generators = Vec::with_capacity(artifacts.len());
        for artifact in artifacts {
            generators.push(Generator::load(artifact, device.clone())?);
        }
        let classes = one_of_each_class(&mut generators)?;
        let shape = generators[0].card.image();

        let folder = context.output("images")?;
        let mut images = Images {
            writer: DatasetWriter::create(&folder, shape, &classes)?,
            shown: vec![Vec::new(); classes.len()],
            classes: &classes,
            total: stage.images * classes.len(),
            done: 0,
            context,
        };
        let mut waiting = None;
        for (label, generator) in generators.iter_mut().enumerate() {
            let purpose = format!("synthesize {}", classes[label]);
            for start in (0..stage.images).step_by(BATCH) {
                context.check_cancelled()?;
                let count = BATCH.min(stage.images - start);
                let batch = Batch {
                    label,
                    start,
                    drawing: generator.draw(count, context.seed, &purpose, (start / BATCH) as u64),
                };
                // The device computes this batch while the host processes the previous one.
                if let Some(before) = waiting.replace(batch) {
                    images.take(before)?;
                }
            }
        }
        if let Some(last) = waiting {
            images.take(last)?;
        }
        let Images { writer, shown, .. } = images;
        writer.finish()?;

        let rows: Vec<Row<'_>> = classes
            .iter()
            .zip(&shown)
            .map(|(label, images)| Row {
                label,
                images: images.iter().map(Vec::as_slice).collect(),
            })
            .collect();
        let figure = context.output("figure")?;
        grid(&rows, shape, &figure.join("images.png"))?;
        let train = context.inputs("train");
        memorised(
            &Dataset::in_folder(&folder)?,
            train,
            stage.leakage,
            context,
            &figure,
        )
    }
}

/// A batch of images of one class on its way from the device.
struct Batch<B: Backend> {
    label: usize,
    /// Number of the first image among those of its class.
    start: usize,
    drawing: Drawing<B>,
}

/// The images that were drawn so far.
struct Images<'a> {
    writer: DatasetWriter,
    /// The first images of each class, for the figure.
    shown: Vec<Vec<Vec<u8>>>,
    classes: &'a [String],
    /// Number of images to draw, and number of images drawn.
    total: usize,
    done: usize,
    context: &'a Context<'a>,
}

impl Images<'_> {
    /// Waits for a batch and writes it.
    fn take<B: Backend>(&mut self, batch: Batch<B>) -> Result<(), Failure> {
        let (class, shown) = (&self.classes[batch.label], &mut self.shown[batch.label]);
        for (offset, image) in batch.drawing.images().into_iter().enumerate() {
            let name = format!("{class}-{:06}", batch.start + offset);
            self.writer.push(&name, batch.label as u32, &image)?;
            self.done += 1;
            if shown.len() < SHOWN {
                shown.push(image);
            }
        }
        let (done, total) = (self.done as f64, self.total as f64);
        self.context.progress("images", done, total, &[]);
        Ok(())
    }
}

/// Sorts the generators into the order of the classes they were trained on, and returns these classes. It is
/// an error unless there is one generator for each class.
fn one_of_each_class<B: Backend>(generators: &mut [Generator<B>]) -> Result<Vec<String>, Failure> {
    let Some(first) = generators.first() else {
        return Err(Failure::Internal("input `generators` is empty".to_owned()));
    };
    let classes = first.card.classes.clone();
    let known = |generator: &Generator<B>| {
        generator.card.classes == classes && classes.contains(&generator.card.class)
    };
    if let Some(other) = generators.iter().find(|generator| !known(generator)) {
        return Err(Failure::Data(format!(
            "the generator of `{}` was trained on the classes {}, but another one on {}",
            other.card.class,
            other.card.classes.join(", "),
            classes.join(", ")
        )));
    }
    generators.sort_by_key(|generator| {
        classes
            .iter()
            .position(|class| *class == generator.card.class)
    });
    let found: Vec<&String> = generators
        .iter()
        .map(|generator| &generator.card.class)
        .collect();
    if found != classes.iter().collect::<Vec<_>>() {
        let found: Vec<&str> = found.into_iter().map(String::as_str).collect();
        return Err(Failure::Data(format!(
            "there must be one generator for each of the classes {}, but these are for {}",
            classes.join(", "),
            found.join(", ")
        )));
    }
    Ok(classes)
}
