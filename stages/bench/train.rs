//! Benchmark of classifier training.

use contract::{Device, Failure, ImageShape, Invalid, random};
use ops::Backend;
use ops::on_pool;
use ops::optimizer::{Optimizer, OptimizerConfig, SecondMoment};
use serde_json::Value;

use super::{Throughput, overlapping, throughput};
use crate::decode;
use crate::device::{Computation, compute};
use crate::nets::{Architecture, Head, Initializer, Layer, Network};
use crate::training::{StepResults, Targets, train_step};

/// Training of a classifier to measure: cross-entropy and Adam, on random images.
#[derive(Clone, Debug)]
pub struct TrainBench {
    architecture: Architecture,
    head: Head,
    image: ImageShape,
    batch_size: usize,
    steps: usize,
    device: Device,
}

impl TrainBench {
    /// `model` is a list of layers as in a pipeline. There are `batch_size` images per step and `steps`
    /// measured steps; both numbers must be at least 1.
    ///
    /// # Errors
    /// If the layers do not fit the images, or do not end in class scores.
    pub fn new(
        model: Value,
        image: ImageShape,
        batch_size: usize,
        steps: usize,
        device: Device,
    ) -> Result<Self, Invalid> {
        let layers: Vec<Layer> = decode(model)?;
        let architecture = Architecture::new(image.into(), layers)?;
        Ok(Self {
            head: Head::of(architecture.output())?,
            architecture,
            image,
            batch_size,
            steps,
            device,
        })
    }

    /// Trains the network on random images and returns the throughput.
    ///
    /// # Errors
    /// If there is no such device, or it fails.
    pub fn measure(&self) -> Result<Throughput, Failure> {
        on_pool(|| compute(self.device, self))
    }
}

impl Computation for &TrainBench {
    type Output = Throughput;

    fn on<B: Backend>(self, device: B) -> Result<Throughput, Failure> {
        let architecture = self.architecture.clone();
        let mut network = Network::new(architecture, Initializer::default(), 0, device.clone())
            .map_err(|e| Failure::Internal(e.to_string()))?;
        let adam = OptimizerConfig::Adam {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            epsilon_added_to: SecondMoment::Corrected,
        };
        let mut optimizer = Optimizer::new(adam, network.parameters());

        let ImageShape {
            height,
            width,
            channels,
        } = self.image;
        let shape = (self.batch_size, channels, height, width);
        let images = ops::from_host(&device, random::uniform(ops::len(shape), 0), shape);
        let labels: Vec<u32> = (0..self.batch_size)
            .map(|image| (image % self.head.classes()) as u32)
            .collect();
        let targets = Targets {
            head: self.head,
            labels: &labels,
            class_weights: &vec![1.0; self.head.classes()],
            smoothing: 0.0,
            mixed: None,
        };
        let launch = |step| {
            let (images, rate) = (images.clone(), 1e-3);
            train_step(
                &mut network,
                &mut optimizer,
                rate,
                images,
                &targets,
                0,
                step,
            )
        };
        let step = overlapping(launch, StepResults::finish);
        Ok(throughput(self.batch_size, self.steps, step))
    }
}
