//! A trained generator as an artifact: architecture, weights, and the class of its images.

use std::path::Path;

use contract::{Artifact, Failure, ImageShape, Invalid, json, random};
use ops::{Backend, Reading, Staged};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::architecture::Architecture;
use super::card::Format;
use super::classifier::WEIGHTS_FILE;
use super::feature::Feature;
use super::initializer::Initializer;
use super::network::{Mode, Network};
use super::weights::{check_size, read_weights, write_weights};

/// Name of the file with everything about a generator except its weights.
pub const GENERATOR_FILE: &str = "generator.json";

/// Everything about a generator except its weights: the content of `generator.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorCard {
    pub format: Format,
    /// Layers from latent vectors (features) to images in [−1, 1].
    pub architecture: Architecture,
    /// The class of its images.
    pub class: String,
    /// All classes of the dataset that it was trained on, in the order of that dataset.
    pub classes: Vec<String>,
    /// Number of epochs that it was trained for.
    pub epochs: usize,
}

impl GeneratorCard {
    /// Reads the card of a generator artifact.
    pub fn read(artifact: &Artifact) -> Result<Self, Failure> {
        json::read(artifact.file(GENERATOR_FILE)?)
    }

    /// Writes a generator artifact: this card and the weights of `network`.
    pub fn write<B: Backend>(&self, network: &Network<B>, folder: &Path) -> Result<(), Failure> {
        json::write(&folder.join(GENERATOR_FILE), self)?;
        write_weights(network, &folder.join(WEIGHTS_FILE))
    }

    /// Returns the shape of its images.
    pub fn image(&self) -> ImageShape {
        let Feature {
            channels,
            height,
            width,
        } = self.architecture.output();
        ImageShape {
            height,
            width,
            channels,
        }
    }
}

/// A trained generator on its device.
pub struct Generator<B: Backend> {
    pub card: GeneratorCard,
    network: Network<B>,
}

impl<B: Backend> Generator<B> {
    /// Reads a generator artifact.
    pub fn load(artifact: &Artifact, device: B) -> Result<Self, Failure> {
        let unusable = |e: Invalid| {
            Failure::Data(format!(
                "generator `{}` cannot be used: {e}",
                artifact.label
            ))
        };
        let card = GeneratorCard::read(artifact)?;
        let architecture =
            Architecture::new(card.architecture.input, card.architecture.layers.clone())
                .map_err(unusable)?;
        if architecture.input.height != 1 || architecture.input.width != 1 {
            return Err(unusable(Invalid::new(format!(
                "it takes images of {}, not latent vectors",
                architecture.input
            ))));
        }
        check_size(&architecture, artifact.file(WEIGHTS_FILE)?)?;
        let mut network =
            Network::new(architecture, Initializer::default(), 0, device).map_err(unusable)?;
        read_weights(&mut network, artifact.file(WEIGHTS_FILE)?)?;
        Ok(Self { card, network })
    }

    /// Starts to draw images from the latent vectors of `(purpose, batch)`; see [`latent`] and [`draw`].
    pub fn draw(&mut self, count: usize, seed: u64, purpose: &str, batch: u64) -> Drawing<B> {
        let features = self.card.architecture.input.channels;
        let noise = latent(count, features, seed, purpose, [batch, 0]);
        draw(&mut self.network, &noise)
    }
}

/// Returns `count` latent vectors of standard normal values, which depend only on the other arguments.
pub fn latent(
    count: usize,
    features: usize,
    seed: u64,
    purpose: &str,
    indices: [u64; 2],
) -> Vec<f32> {
    let mut rng = random::stream(seed, purpose, indices);
    (0..count * features)
        .map(|_| StandardNormal.sample(&mut rng))
        .collect()
}

/// Images that are being transferred to the host.
pub struct Drawing<B: Backend> {
    values: Reading<B>,
    image: Feature,
}

/// Starts to draw the images that `network` makes from the latent vectors in `noise`, which are stored in
/// sequence. Does not wait for the device.
pub fn draw<B: Backend>(network: &mut Network<B>, noise: &[f32]) -> Drawing<B> {
    let features = network.architecture().input.channels;
    let count = noise.len() / features;
    let mut vectors = Staged::new(network.device(), (count, features, 1, 1));
    vectors.copy_from_slice(noise);
    let images = network.forward(vectors.upload(), Mode::Predict);
    Drawing {
        values: Reading::of(&images),
        image: network.architecture().output(),
    }
}

impl<B: Backend> Drawing<B> {
    /// Waits for the images, and returns their values from −1 to 1 (channels × height × width) in sequence.
    pub fn values(self) -> Vec<f32> {
        self.values.finish()
    }

    /// Waits for the images, and returns them as bytes (height × width × channels).
    pub fn images(self) -> Vec<Vec<u8>> {
        let Feature {
            channels,
            height,
            width,
        } = self.image;
        let area = height * width;
        let byte = |value: f32| ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8;
        self.values()
            .chunks_exact(channels * area)
            .map(|image| {
                (0..area * channels)
                    .map(|i| byte(image[i % channels * area + i / channels]))
                    .collect()
            })
            .collect()
    }
}
