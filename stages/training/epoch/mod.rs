//! One pass over the training images.

#[cfg(test)]
mod tests;

use contract::{Context, Failure, ImageShape};
use ops::{Backend, Staged};
use serde::{Deserialize, Serialize};

use super::examples::Examples;
use super::features::AllFeatures;
use super::mixing::{Mixed, Mixing};
use super::schedule::warmup_factor;
use super::step::{StepResults, Targets, train_step};
use super::updater::Updater;
use crate::nets::{Head, Network};
use crate::rate::Rate;

/// Values that stay the same over the epochs of a training.
pub(super) struct Fixed<'a> {
    pub examples: &'a Examples,
    pub head: Head,
    pub class_weights: Vec<f32>,
    pub batch_size: usize,
    pub epochs: usize,
    /// Number of epochs in which the learning rate rises.
    pub warmup: Option<f64>,
    pub label_smoothing: f64,
    pub mixing: Mixing,
    pub context: &'a Context<'a>,
}

/// Values of one epoch.
pub(super) struct Epoch<'a> {
    /// Counted from 0.
    pub index: usize,
    /// Learning rate, unless it still rises.
    pub learning_rate: f64,
    /// Those of the layers that are frozen.
    pub features: &'a AllFeatures,
}

/// The completed part of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct PartialEpoch {
    pub batches: usize,
    /// Number of images in these batches.
    seen: usize,
    loss_sum: f64,
    /// Number of images whose class had the highest score.
    correct: usize,
}

impl PartialEpoch {
    /// Returns the mean loss over the images so far, each weighted by its class.
    pub(super) fn loss(&self) -> f64 {
        self.loss_sum / self.seen as f64
    }

    pub(super) fn accuracy(&self) -> f64 {
        self.correct as f64 / self.seen as f64
    }
}

/// A step whose results are being transferred to the host.
struct LaunchedStep<B: Backend> {
    /// Index of the batch in its epoch.
    index: usize,
    labels: Vec<u32>,
    results: StepResults<B>,
}

/// An epoch in progress.
struct Pass<'a, B: Backend> {
    /// Index of the epoch, counted from 0.
    epoch: usize,
    images: usize,
    partial: &'a mut PartialEpoch,
    fixed: &'a Fixed<'a>,
    rate: &'a mut Rate,
    /// The last step. Its results are read once the next step is launched, so that the device is busy while
    /// the host waits for them and prepares the following batch.
    waiting: Option<LaunchedStep<B>>,
}

/// Trains `network` for the rest of an epoch. If training is stopped, `partial` has the part that was completed.
pub(super) fn train_epoch<B: Backend>(
    network: &mut Network<B>,
    updater: &mut Updater<B>,
    epoch: &Epoch<'_>,
    partial: &mut PartialEpoch,
    rate: &mut Rate,
    fixed: &Fixed<'_>,
) -> Result<(), Failure> {
    let image = fixed.examples.image();
    let ImageShape {
        height,
        width,
        channels,
    } = image;
    let &Epoch {
        index: epoch,
        learning_rate,
        features,
    } = epoch;
    let order = fixed.examples.order(epoch as u64);
    let steps = fixed.steps();
    let done = partial.batches;
    rate.resume();
    let mut pass = Pass {
        epoch,
        images: order.len(),
        partial,
        rate,
        fixed,
        waiting: None,
    };
    let batches = order.chunks(fixed.batch_size).enumerate();
    for (index, examples) in batches.skip(done) {
        if let Err(cancelled) = fixed.context.check_cancelled() {
            pass.read_remaining()?;
            return Err(cancelled);
        }
        let step = (epoch * steps + index) as u64;
        let seed = fixed.context.seed;
        let (x, labels, mixed) = match features.batch(examples, network.device()) {
            Some(features) => (features, fixed.examples.labels(examples), None),
            None => {
                let shape = (examples.len(), channels, height, width);
                let mut images = Staged::new(network.device(), shape);
                let labels = fixed.examples.batch(examples, epoch as u64, &mut images);
                let mixing = fixed.mixing;
                let mixed = mixing.apply(&mut images, image, &labels, seed, step);
                (network.forward_frozen(images.upload()), labels, mixed)
            }
        };
        let targets = fixed.targets(&labels, mixed.as_ref());
        let rate = learning_rate * warmup_factor(fixed.warmup, step, steps);
        let results = train_step(
            network,
            &mut updater.optimizer,
            rate as f32,
            x,
            &targets,
            seed,
            step,
        );
        updater.updated(network, step);
        pass.launched(LaunchedStep {
            index,
            labels,
            results,
        })?;
    }
    pass.read_remaining()
}

impl Fixed<'_> {
    /// Returns the number of steps in an epoch.
    fn steps(&self) -> usize {
        self.examples.images_per_epoch().div_ceil(self.batch_size)
    }

    /// Returns the factor on the learning rate in the last step of epoch `epoch` (from 0).
    pub(super) fn last_factor(&self, epoch: usize) -> f64 {
        let steps = self.steps();
        warmup_factor(self.warmup, ((epoch + 1) * steps - 1) as u64, steps)
    }

    fn targets<'a>(&'a self, labels: &'a [u32], mixed: Option<&'a Mixed>) -> Targets<'a> {
        Targets {
            head: self.head,
            labels,
            class_weights: &self.class_weights,
            smoothing: self.label_smoothing,
            mixed,
        }
    }
}

impl<B: Backend> Pass<'_, B> {
    /// Remembers a launched step, and reads the results of the step before.
    fn launched(&mut self, step: LaunchedStep<B>) -> Result<(), Failure> {
        self.rate.count(step.labels.len());
        match self.waiting.replace(step) {
            Some(before) => self.take(before),
            None => Ok(()),
        }
    }

    /// Reads the results of every step that was launched.
    fn read_remaining(&mut self) -> Result<(), Failure> {
        match self.waiting.take() {
            Some(last) => self.take(last),
            None => Ok(()),
        }
    }

    fn take(&mut self, step: LaunchedStep<B>) -> Result<(), Failure> {
        let (loss, logits) = step.results.finish();
        if !loss.is_finite() {
            return Err(Failure::Training(format!(
                "the loss is {loss} in epoch {}, batch {}: lower `learning_rate`",
                self.epoch + 1,
                step.index + 1
            )));
        }
        let partial = &mut *self.partial;
        partial.batches = step.index + 1;
        partial.seen += step.labels.len();
        partial.loss_sum += loss * step.labels.len() as f64;
        partial.correct += self.fixed.targets(&step.labels, None).hits(&logits);

        let done = self.epoch as f64 + partial.seen as f64 / self.images as f64;
        let values = [
            ("loss", partial.loss()),
            ("images/s", self.rate.per_second()),
        ];
        self.fixed
            .context
            .progress("epoch", done, self.fixed.epochs as f64, &values);
        Ok(())
    }
}
