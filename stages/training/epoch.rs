//! One pass over the training images.

use std::time::Instant;

use dfdx::prelude::*;

use super::examples::Examples;
use crate::contract::{Context, Failure, ImageShape};
use crate::nets::{Head, Mode, Network};
use crate::ops::optimizer::Optimizer;
use crate::ops::{self, Backend, Scalar, Tensor4, Wanted};

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
        let step = (epoch * steps + index) as u64;
        let wanted = Wanted {
            input: false,
            parameters: true,
        };
        let mode = Mode::Train {
            seed: fixed.context.seed,
            step,
            wanted,
        };

        let logits = network.forward(images.leaky_trace(), mode);
        let (logits, tape) = logits.split_tape();
        let host = ops::to_host(&logits);
        let loss = cross_entropy(
            fixed.head,
            logits.put_tape(tape),
            &labels,
            &fixed.class_weights,
        );
        let value = f64::from(loss.as_vec()[0]);
        if !value.is_finite() {
            return Err(Failure::Training(format!(
                "the loss is {value} in epoch {}, batch {}: lower `learning_rate`",
                epoch + 1,
                index + 1
            )));
        }
        let mut gradients = loss.backward();
        let (parameters, penalties) = network.parameters_mut();
        optimizer.step(learning_rate as f32, parameters, &mut gradients, penalties);

        loss_sum += value * examples.len() as f64;
        correct += hits(fixed.head, &host, &labels);
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

/// The mean loss of a batch, each image weighted by its class.
pub(super) fn cross_entropy<B: Backend, T: Tape<f32, B>>(
    head: Head,
    logits: Tensor4<B, T>,
    labels: &[u32],
    class_weights: &[f32],
) -> Scalar<B, T> {
    let weights: Vec<f32> = labels
        .iter()
        .map(|&label| class_weights[label as usize])
        .collect();
    match head {
        Head::Sigmoid => {
            let targets: Vec<f32> = labels.iter().map(|&label| label as f32).collect();
            ops::binary_cross_entropy(logits, &targets, &weights)
        }
        Head::Softmax(_) => {
            let classes: Vec<usize> = labels.iter().map(|&label| label as usize).collect();
            ops::cross_entropy(logits, &classes, &weights)
        }
    }
}

/// How many rows of `logits` are highest at their label.
fn hits(head: Head, logits: &[f32], labels: &[u32]) -> usize {
    match head {
        Head::Sigmoid => logits
            .iter()
            .zip(labels)
            .filter(|&(&logit, &label)| (logit >= 0.0) == (label == 1))
            .count(),
        Head::Softmax(classes) => {
            let highest = |row: &[f32]| {
                row.iter()
                    .enumerate()
                    .max_by(|a, b| a.1.total_cmp(b.1))
                    .map(|(class, _)| class)
            };
            logits
                .chunks_exact(classes)
                .zip(labels)
                .filter(|&(row, &label)| highest(row) == Some(label as usize))
                .count()
        }
    }
}
