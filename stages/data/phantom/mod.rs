//! The source `phantom`: procedural chest radiographs, healthy or with pneumonia, for machines without data.
//!
//! Every image is drawn from its own random stream and uses no function that differs between machines, so the
//! same seed gives the same bytes everywhere. A share of the pneumonias is subtle, and healthy chests also
//! have shadows (vessels, thymus, overlapping tissue), so no classifier is perfect.

mod anatomy;
mod pneumonia;
mod radiograph;
mod shape;
mod vessels;

use contract::{Failure, ImageShape, Invalid, random, ranges};
use images::{Resizer, fit_bytes};
use rand::RngExt;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::anatomy::Anatomy;
use self::pneumonia::Opacities;
use super::source::{Example, Offer, Omitted, Outcome, Pool, Sink, SplitUse};

/// The classes, in the order of their indices.
pub const CLASSES: [&str; 2] = ["NORMAL", "PNEUMONIA"];

/// Parameters of the source `phantom`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct Phantom {
    /// Number of training images, both classes together, before a validation split.
    #[schemars(range(min = 4, max = 1_000_000))]
    pub images: usize,
    /// Number of test images, both classes together.
    #[schemars(range(min = 2, max = 1_000_000))]
    pub test_images: usize,
    /// Share of the images that have pneumonia.
    #[schemars(range(min = 0.05, max = 0.95))]
    pub pneumonia: f64,
    /// Share of the pneumonias that are subtle.
    #[schemars(range(min = 0, max = 1))]
    pub subtle: f64,
}

impl Default for Phantom {
    fn default() -> Self {
        Self {
            images: 800,
            test_images: 300,
            pneumonia: 0.6,
            subtle: 0.12,
        }
    }
}

impl Phantom {
    /// Checks every range.
    pub fn check(&self) -> Result<(), Invalid> {
        let share = |name: &str, value: f64, low: f64, high: f64| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            let message = format!("`{name}` must be from {low} to {high}, not {value}");
            Err(Invalid::new(message).under(name))
        };
        ranges::whole("images", self.images, 4, 1_000_000)?;
        ranges::whole("test_images", self.test_images, 2, 1_000_000)?;
        share("pneumonia", self.pneumonia, 0.05, 0.95)?;
        share("subtle", self.subtle, 0.0, 1.0)
    }

    /// Returns the images for `seed`. They are drawn when they are read.
    pub fn offer(&self, seed: u64, usage: SplitUse) -> Offer {
        let mut train = Patients::new(self, seed, "train", self.images);
        let mut test = Patients::new(self, seed, "test", self.test_images);
        if usage.joins_test {
            train.drawn.append(&mut test.drawn);
            train.examples.append(&mut test.examples);
        }
        Offer {
            classes: CLASSES.map(str::to_owned).to_vec(),
            train: Box::new(train),
            validation: None,
            test: Box::new(test),
            skipped: Vec::new(),
            omitted: Omitted::default(),
        }
    }
}

/// Draws image `index` of a split: `size` × `size` gray bytes.
fn draw(
    seed: u64,
    split: &str,
    index: usize,
    has_pneumonia: bool,
    subtle: f64,
    size: usize,
) -> Vec<u8> {
    let purpose = if split == "test" {
        "phantom/test"
    } else {
        "phantom/train"
    };
    let mut rng = random::stream(seed, purpose, [index as u64, 0]);
    let anatomy = Anatomy::draw(&mut rng);
    let opacities = if has_pneumonia {
        let subtle = rng.random_bool(subtle);
        Opacities::pneumonia(&anatomy, &mut rng, subtle)
    } else {
        Opacities::innocent(&anatomy, &mut rng)
    };
    radiograph::take(&anatomy, &opacities, &mut rng, size)
}

/// The images of one split, or of several.
struct Patients {
    seed: u64,
    subtle: f64,
    /// The split and the number of each image, from which it is drawn.
    drawn: Vec<(&'static str, usize)>,
    examples: Vec<Example>,
}

impl Patients {
    fn new(phantom: &Phantom, seed: u64, split: &'static str, images: usize) -> Self {
        let diseased = (phantom.pneumonia * images as f64).round() as usize;
        let diseased = diseased.clamp(1, images - 1);
        let examples = (0..images)
            .map(|i| {
                // Exactly `diseased` images have pneumonia, spread evenly.
                let label = ((i + 1) * diseased / images - i * diseased / images) as u32;
                Example {
                    name: format!("{split}/{}/{i:06}", CLASSES[label as usize]),
                    label,
                    group: None,
                    content: None,
                }
            })
            .collect();
        Self {
            seed,
            subtle: phantom.subtle,
            drawn: (0..images).map(|i| (split, i)).collect(),
            examples,
        }
    }
}

impl Pool for Patients {
    fn examples(&self) -> &[Example] {
        &self.examples
    }

    fn read(
        &self,
        wanted: &[usize],
        shape: ImageShape,
        sink: &mut Sink<'_>,
    ) -> Result<Outcome, Failure> {
        for chunk in wanted.chunks(64) {
            let images: Vec<Vec<u8>> = chunk
                .par_iter()
                .map_init(Resizer::new, |resizer, &i| {
                    let has_pneumonia = self.examples[i].label == 1;
                    let (split, index) = self.drawn[i];
                    let size = shape.height.max(shape.width);
                    let gray = draw(self.seed, split, index, has_pneumonia, self.subtle, size);
                    fit_bytes(gray, (size, size), 1, shape, resizer)
                })
                .collect();
            for (&i, image) in chunk.iter().zip(&images) {
                sink(i, image)?;
            }
        }
        Ok(Outcome::default())
    }
}

#[cfg(test)]
mod tests;
