//! One training step of a classifier, which is where training spends its time.

use dfdx::tensor::{PutTape, SplitTape, Tape, Trace};
use ops::optimizer::Optimizer;
use ops::{self, Backend, Reading, Scalar, Tensor4, Wanted};

use crate::nets::{Head, Mode, Network};

/// The classes of the images of a batch, in order, and how the loss is computed from them.
pub(crate) struct Targets<'a> {
    pub head: Head,
    /// Indices of the classes.
    pub labels: &'a [u32],
    /// Weight of an image of each class in the loss.
    pub class_weights: &'a [f32],
}

/// Results of a step, while they are transferred to the host. Both are from before the update.
pub(crate) struct StepResults<B: Backend> {
    loss: Reading<B>,
    logits: Reading<B>,
}

impl<B: Backend> StepResults<B> {
    /// Waits for the results, and returns the mean loss and the logits.
    pub(crate) fn finish(self) -> (f64, Vec<f32>) {
        (f64::from(self.loss.finish()[0]), self.logits.finish())
    }
}

/// Runs the forward pass, the loss, the backward pass and the update, without waiting for the device. `step`
/// is the number of the update, from 0, which determines the dropout masks. If the loss is not finite, the
/// parameters are unusable afterwards.
pub(crate) fn train_step<B: Backend>(
    network: &mut Network<B>,
    optimizer: &mut Optimizer<B>,
    learning_rate: f32,
    images: Tensor4<B>,
    targets: &Targets<'_>,
    seed: u64,
    step: u64,
) -> StepResults<B> {
    let wanted = Wanted {
        input: false,
        parameters: true,
    };
    let mode = Mode::Train { seed, step, wanted };
    let images = images.trace(optimizer.no_gradients());
    let (logits, tape) = network.forward(images, mode).split_tape();
    let read_logits = Reading::of(&logits);
    let (loss, tape) = targets.loss(logits.put_tape(tape)).split_tape();
    let read_loss = Reading::of(&loss);
    let mut gradients = ops::backward(loss.put_tape(tape));
    let (parameters, penalties) = network.parameters_mut();
    optimizer.step(learning_rate, parameters, &mut gradients, penalties);
    StepResults {
        loss: read_loss,
        logits: read_logits,
    }
}

impl Targets<'_> {
    /// Returns the mean loss of a batch, each image weighted by its class.
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

    /// Counts the rows of `logits` that are highest at their label.
    pub(crate) fn hits(&self, logits: &[f32]) -> usize {
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
