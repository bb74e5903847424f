//! One pass over the training images.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::examples::Examples;
use super::step::{Targets, train_step};
use crate::contract::{Context, Failure, ImageShape};
use crate::nets::{Head, Network};
use crate::ops::optimizer::Optimizer;
use crate::ops::{self, Backend};

/// What stays the same over the epochs of a training.
pub(super) struct Fixed<'a> {
    pub examples: &'a Examples,
    pub head: Head,
    pub class_weights: Vec<f32>,
    pub batch_size: usize,
    pub epochs: usize,
    pub context: &'a Context<'a>,
}

/// What is done of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Partial {
    pub batches: usize,
    /// Images in those.
    seen: usize,
    loss_sum: f64,
    /// Images whose class came out highest.
    correct: usize,
}

impl Partial {
    /// Mean loss over the images so far, each weighted by its class.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.seen as f64
    }

    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.seen as f64
    }
}

/// Trains `network` for what is left of epoch `epoch` (from 0). Stopped in between, `partial` tells how
/// far it came.
pub(super) fn train_epoch<B: Backend>(
    network: &mut Network<B>,
    optimizer: &mut Optimizer<B>,
    learning_rate: f64,
    epoch: usize,
    partial: &mut Partial,
    fixed: &Fixed<'_>,
) -> Result<(), Failure> {
    let ImageShape {
        height,
        width,
        channels,
    } = fixed.examples.image();
    let order = fixed.examples.order(epoch as u64);
    let steps = order.len().div_ceil(fixed.batch_size);
    let (started, before) = (Instant::now(), partial.seen);
    let batches = order.chunks(fixed.batch_size).enumerate();
    for (index, examples) in batches.skip(partial.batches) {
        fixed.context.check_cancelled()?;
        let (pixels, labels) = fixed.examples.batch(examples, epoch as u64);
        let images = ops::from_host(
            network.device(),
            pixels,
            (examples.len(), channels, height, width),
        );
        let targets = Targets {
            head: fixed.head,
            labels: &labels,
            class_weights: &fixed.class_weights,
        };
        let step = (epoch * steps + index) as u64;
        let seed = fixed.context.seed;
        let rate = learning_rate as f32;
        let (loss, logits) = train_step(network, optimizer, rate, images, &targets, seed, step);
        if !loss.is_finite() {
            return Err(Failure::Training(format!(
                "the loss is {loss} in epoch {}, batch {}: lower `learning_rate`",
                epoch + 1,
                index + 1
            )));
        }

        partial.batches = index + 1;
        partial.seen += examples.len();
        partial.loss_sum += loss * examples.len() as f64;
        partial.correct += targets.hits(&logits);
        let rate = (partial.seen - before) as f64 / started.elapsed().as_secs_f64();
        let done = epoch as f64 + partial.seen as f64 / order.len() as f64;
        let figures = [("loss", partial.loss()), ("images/s", rate)];
        fixed
            .context
            .progress("epoch", done, fixed.epochs as f64, &figures);
    }
    Ok(())
}
