//! Benchmark of DCGAN training.

use contract::{Device, Failure, ImageShape, Invalid, random};
use ops::Backend;
use ops::on_pool;
use serde_json::{Value, json};

use super::{Throughput, overlapping, throughput};
use crate::decode;
use crate::device::{Computation, compute};
use crate::gan::{Adversaries, Losses, Settings};
use crate::nets::{Architecture, Feature, Initializer, Layer, Network};

/// DCGAN training (Radford et al., 2016) to measure: updates of both networks, on random images.
#[derive(Clone, Copy, Debug)]
pub struct GanBench {
    /// Must be square, with a side that is a power of two of at least 8 pixels.
    pub image: ImageShape,
    /// Images per step; at least 2.
    pub batch_size: usize,
    /// Length of a noise vector; at least 1.
    pub latent: usize,
    /// `true` if every convolution is followed by batch normalization before its activation, except for the first of
    /// the discriminator and the last of the generator.
    pub batch_norm: bool,
    /// Measured steps; at least 1.
    pub steps: usize,
    pub device: Device,
}

impl GanBench {
    /// # Errors
    /// If the images are not square, or their side is not a power of two of at least 8.
    pub fn check(&self) -> Result<(), Invalid> {
        let ImageShape { height, width, .. } = self.image;
        if height == width && height >= 8 && height.is_power_of_two() {
            return Ok(());
        }
        Err(Invalid::new(format!(
            "images of {} cannot be used: they must be square, and their side must be a power of two and at \
             least 8",
            self.image
        )))
    }

    /// Trains both networks on random images and returns the throughput.
    ///
    /// # Errors
    /// As for [`GanBench::check`]. Also if there is no such device, or it fails.
    pub fn measure(&self) -> Result<Throughput, Failure> {
        self.check().map_err(|e| Failure::Data(e.to_string()))?;
        on_pool(|| compute(self.device, self))
    }
}

impl Computation for &GanBench {
    type Output = Throughput;

    fn on<B: Backend>(self, device: B) -> Result<Throughput, Failure> {
        let network = |layers: Vec<Value>, input: Feature, seed: u64| {
            let layers: Vec<Layer> = decode(Value::from(layers))?;
            let architecture = Architecture::new(input, layers)?;
            Network::new(architecture, Initializer::Dcgan, seed, device.clone())
        };
        let invalid = |e: Invalid| Failure::Internal(e.to_string());
        let settings = Settings {
            batch_size: self.batch_size,
            learning_rate: 2e-4,
            beta1: 0.5,
            beta2: 0.999,
            real_label: 1.0,
            epochs: 1,
        };
        let mut adversaries = Adversaries::new(
            network(generator(self), Feature::new(self.latent, 1, 1), 0).map_err(invalid)?,
            network(discriminator(self), self.image.into(), 1).map_err(invalid)?,
            settings,
        );
        let ImageShape {
            height,
            width,
            channels,
        } = self.image;
        let shape = (self.batch_size, channels, height, width);
        let values = random::uniform(ops::len(shape), 0).into_iter();
        let real = ops::from_host(
            &device,
            values.map(|value| 2.0 * value - 1.0).collect(),
            shape,
        );
        let launch = |step| adversaries.train_step(real.clone(), step, 0);
        let step = overlapping(launch, Losses::finish);
        Ok(throughput(self.batch_size, self.steps, step))
    }
}

/// Channels after every halving of the image's side, from the image down to 4×4.
fn widths(bench: &GanBench) -> Vec<usize> {
    let halvings = (bench.image.height / 4).ilog2();
    (0..halvings).map(|i| (64 << i).min(512)).collect()
}

fn generator(bench: &GanBench) -> Vec<Value> {
    let widths = widths(bench);
    let mut layers = Vec::new();
    let deepest = widths[widths.len() - 1];
    let first = json!({ "filters": deepest, "kernel": 4, "stride": 1, "padding": "valid" });
    block("conv_transpose", first, bench.batch_norm, &mut layers);
    for &width in widths.iter().rev().skip(1) {
        let doubling = json!({ "filters": width, "kernel": 4, "stride": 2, "padding": 1 });
        block("conv_transpose", doubling, bench.batch_norm, &mut layers);
    }
    layers.push(json!({ "conv_transpose": {
        "filters": bench.image.channels, "kernel": 4, "stride": 2, "padding": 1, "activation": "tanh"
    } }));
    layers
}

fn discriminator(bench: &GanBench) -> Vec<Value> {
    let mut layers = Vec::new();
    for (index, &width) in widths(bench).iter().enumerate() {
        let halving = json!({ "filters": width, "kernel": 4, "stride": 2, "padding": 1 });
        block("conv", halving, bench.batch_norm && index > 0, &mut layers);
    }
    layers.push(json!("flatten"));
    layers.push(json!({ "dense": { "units": 1 } }));
    layers
}

/// Appends a convolution of the given kind, batch normalization if `batch_norm` is set, and a leaky ReLU.
fn block(kind: &str, mut convolution: Value, batch_norm: bool, layers: &mut Vec<Value>) {
    let activation = if batch_norm { "linear" } else { "leaky_relu" };
    convolution["activation"] = activation.into();
    layers.push(json!({ kind: convolution }));
    if batch_norm {
        layers.push(json!("batch_norm"));
        layers.push(json!({ "activation": "leaky_relu" }));
    }
}
