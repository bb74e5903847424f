//! One update of a classifier: what all of training's time goes into.

use dfdx::prelude::*;

use crate::nets::{Head, Mode, Network};
use crate::ops::optimizer::Optimizer;
use crate::ops::{self, Backend, Scalar, Tensor4, Wanted};

/// What the images of a batch are, in order.
pub struct Targets<'a> {
    pub head: Head,
    /// Class numbers.
    pub labels: &'a [u32],
    /// What an image of each class counts in the loss.
    pub class_weights: &'a [f32],
}

/// Forward, loss, backward and update. `step` is the number of the update, from 0, of which dropout
/// is a function. Gives the mean loss and the logits, both from before the update; if the loss is not
/// finite there is no update.
pub fn train_step<B: Backend>(
    network: &mut Network<B>,
    optimizer: &mut Optimizer<B>,
    learning_rate: f32,
    images: Tensor4<B>,
    targets: &Targets<'_>,
    seed: u64,
    step: u64,
) -> (f64, Vec<f32>) {
    let wanted = Wanted {
        input: false,
        parameters: true,
    };
    let mode = Mode::Train { seed, step, wanted };
    let images = images.trace(optimizer.no_gradients());
    let (logits, tape) = network.forward(images, mode).split_tape();
    let host = ops::to_host(&logits);
    let loss = targets.loss(logits.put_tape(tape));
    let value = f64::from(loss.as_vec()[0]);
    if value.is_finite() {
        let mut gradients = loss.backward();
        let (parameters, penalties) = network.parameters_mut();
        optimizer.step(learning_rate, parameters, &mut gradients, penalties);
    }
    (value, host)
}

impl Targets<'_> {
    /// The mean loss of a batch, each image weighted by its class.
    fn loss<B: Backend, T: Tape<f32, B>>(&self, logits: Tensor4<B, T>) -> Scalar<B, T> {
        let labels = self.labels.iter();
        let weights: Vec<f32> = labels
            .clone()
            .map(|&label| self.class_weights[label as usize])
            .collect();
        match self.head {
            Head::Sigmoid => {
                let targets: Vec<f32> = labels.map(|&label| label as f32).collect();
                ops::binary_cross_entropy(logits, &targets, &weights)
            }
            Head::Softmax(_) => {
                let classes: Vec<usize> = labels.map(|&label| label as usize).collect();
                ops::cross_entropy(logits, &classes, &weights)
            }
        }
    }

    /// How many rows of `logits` are highest at their label.
    pub fn hits(&self, logits: &[f32]) -> usize {
        match self.head {
            Head::Sigmoid => logits
                .iter()
                .zip(self.labels)
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
                    .zip(self.labels)
                    .filter(|&(row, &label)| highest(row) == Some(label as usize))
                    .count()
            }
        }
    }
}
