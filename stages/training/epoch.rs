//! One pass over the training images.

use std::time::Instant;

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

/// Trains `network` for epoch `epoch` (from 0); gives the mean loss and the accuracy.
pub(super) fn train_epoch<B: Backend>(
    network: &mut Network<B>,
    optimizer: &mut Optimizer<B>,
    learning_rate: f64,
    epoch: usize,
    fixed: &Fixed<'_>,
) -> Result<(f64, f64), Failure> {
    let ImageShape {
        height,
        width,
        channels,
    } = fixed.examples.image();
    let order = fixed.examples.order(epoch as u64);
    let steps = order.len().div_ceil(fixed.batch_size);
    let started = Instant::now();
    let (mut loss_sum, mut correct, mut seen) = (0.0, 0, 0);
    for (index, examples) in order.chunks(fixed.batch_size).enumerate() {
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

        loss_sum += loss * examples.len() as f64;
        correct += targets.hits(&logits);
        seen += examples.len();
        let rate = seen as f64 / started.elapsed().as_secs_f64();
        let done = epoch as f64 + seen as f64 / order.len() as f64;
        let figures = [("loss", loss_sum / seen as f64), ("images/s", rate)];
        fixed
            .context
            .progress("epoch", done, fixed.epochs as f64, &figures);
    }
    Ok((loss_sum / seen as f64, correct as f64 / seen as f64))
}
