use serde_json::Value;

use super::{Throughput, throughput};
use crate::contract::{DeviceClass, Failure, ImageShape, Invalid};
use crate::nets::{Architecture, Head, Initializer, Layer, Network};
use crate::ops;
use crate::ops::optimizer::{Optimizer, OptimizerConfig};
use crate::training::{Targets, train_step};
use crate::{decode, device, random};

/// A training of a classifier to be measured: the recipe of the paper's CNNs, binary cross-entropy
/// and Adam, on random images.
#[derive(Clone, Copy, Debug)]
pub struct TrainBench {
    pub image: ImageShape,
    /// Images to a step, at least 1.
    pub batch_size: usize,
    /// Steps that count, at least 1.
    pub steps: usize,
}

/// Measures the training of a list of layers, given as it stands in a pipeline.
///
/// # Errors
/// If the layers do not fit the images or end in something else than class scores.
pub fn measure_training(model: Value, bench: TrainBench) -> Result<Throughput, Failure> {
    let unusable = |error: Invalid| Failure::Data(error.to_string());
    let layers: Vec<Layer> = decode(model).map_err(unusable)?;
    let architecture = Architecture::new(bench.image.into(), layers).map_err(unusable)?;
    let head = Head::of(architecture.output()).map_err(unusable)?;
    let device = device::open(DeviceClass::Cpu)?;
    let mut network =
        Network::new(architecture, Initializer::default(), 0, device.clone()).map_err(unusable)?;
    let adam = OptimizerConfig::Adam {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
    };
    let mut optimizer = Optimizer::new(adam, network.parameters());

    let ImageShape {
        height,
        width,
        channels,
    } = bench.image;
    let shape = (bench.batch_size, channels, height, width);
    let images = ops::from_host(&device, random::uniform(ops::len(shape), 0), shape);
    let labels: Vec<u32> = (0..bench.batch_size)
        .map(|image| (image % head.classes()) as u32)
        .collect();
    let targets = Targets {
        head,
        labels: &labels,
        class_weights: &vec![1.0; head.classes()],
    };
    Ok(throughput(bench.batch_size, bench.steps, |step| {
        let images = images.clone();
        train_step(
            &mut network,
            &mut optimizer,
            1e-3,
            images,
            &targets,
            0,
            step,
        );
    }))
}
