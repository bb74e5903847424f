//! One training step of a classifier, which is where training spends its time.

use dfdx::tensor::{PutTape, SplitTape, Tape, Trace};
use ops::optimizer::Optimizer;
use ops::{self, Backend, Reading, Scalar, Tensor4, Wanted};

use super::mixing::Mixed;
use crate::nets::{Head, Mode, Network};

/// The classes of the images of a batch, in order, and how the loss is computed from them.
pub(crate) struct Targets<'a> {
    pub head: Head,
    /// Indices of the classes.
    pub labels: &'a [u32],
    /// Weight of an image of each class in the loss.
    pub class_weights: &'a [f32],
    /// Share of each label that is distributed equally over all classes.
    pub smoothing: f64,
    /// The labels that the images are mixed with, if they are.
    pub mixed: Option<&'a Mixed>,
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
/// is the number of the update, from 0, which determines the dropout masks. `x` is the output of the layers that are
/// frozen, see [`Network::forward_frozen`]. If the loss is not finite, the parameters are unusable afterwards.
pub(crate) fn train_step<B: Backend>(
    network: &mut Network<B>,
    optimizer: &mut Optimizer<B>,
    learning_rate: f32,
    x: Tensor4<B>,
    targets: &Targets<'_>,
    seed: u64,
    step: u64,
) -> StepResults<B> {
    let wanted = Wanted {
        input: false,
        parameters: true,
    };
    let mode = Mode::Train { seed, step, wanted };
    let x = x.trace(optimizer.no_gradients());
    let (logits, tape) = network.forward_rest(x, mode).split_tape();
    let read_logits = Reading::of(&logits);
    let (loss, tape) = targets.loss(logits.put_tape(tape)).split_tape();
    let read_loss = Reading::of(&loss);
    let mut gradients = ops::backward(loss.put_tape(tape));
    let (parameters, options) = network.parameters_mut();
    optimizer.step(learning_rate, parameters, &mut gradients, options);
    StepResults {
        loss: read_loss,
        logits: read_logits,
    }
}

impl Targets<'_> {
    /// Returns the mean loss of a batch, each image weighted by its class.
    fn loss<B: Backend, T: Tape<f32, B>>(&self, logits: Tensor4<B, T>) -> Scalar<B, T> {
        if self.smoothing > 0.0 || self.mixed.is_some() {
            return self.soft_loss(logits);
        }
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

    /// Returns the mean loss if an image may be of several classes: the mean of Σ wⱼ·tⱼ·(−ln pⱼ) with the weight w and
    /// the target t of each class, as PyTorch's `CrossEntropyLoss` with probabilities as targets.
    fn soft_loss<B: Backend, T: Tape<f32, B>>(&self, logits: Tensor4<B, T>) -> Scalar<B, T> {
        let (targets, weights) = self.soft_targets();
        match self.head {
            Head::Sigmoid => {
                let second: Vec<f32> = targets.into_iter().skip(1).step_by(2).collect();
                ops::binary_cross_entropy(logits, &second, &weights)
            }
            Head::Softmax(_) => ops::soft_cross_entropy(logits, &targets, &weights),
        }
    }

    /// Returns the target of each class for each image, and the weight of each image. The weight is Σ wⱼ·tⱼ, and the
    /// targets are wⱼ·tⱼ divided by it, which gives the same loss as weights of classes.
    fn soft_targets(&self) -> (Vec<f32>, Vec<f32>) {
        let classes = self.head.classes();
        let mut targets = Vec::with_capacity(self.labels.len() * classes);
        let mut weights = Vec::with_capacity(self.labels.len());
        for (image, &label) in self.labels.iter().enumerate() {
            let mut target = vec![self.smoothing / classes as f64; classes];
            let share = self.mixed.map_or(1.0, |mixed| mixed.share);
            target[label as usize] += (1.0 - self.smoothing) * share;
            if let Some(mixed) = self.mixed {
                let partner = mixed.partners[image] as usize;
                target[partner] += (1.0 - self.smoothing) * (1.0 - share);
            }
            for (target, &weight) in target.iter_mut().zip(self.class_weights) {
                *target *= f64::from(weight);
            }
            let weight: f64 = target.iter().sum();
            targets.extend(target.iter().map(|target| (target / weight) as f32));
            weights.push(weight as f32);
        }
        (targets, weights)
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

#[cfg(test)]
mod tests {
    use dfdx::tensor::{Cpu, NoneTape};

    use super::*;

    fn loss(targets: &Targets<'_>, logits: &[f32]) -> f64 {
        let images = targets.labels.len();
        let shape = (images, logits.len() / images, 1, 1);
        let logits = ops::from_host(&Cpu::default(), logits.to_vec(), shape);
        let loss: Scalar<Cpu, NoneTape> = targets.loss(logits);
        Reading::of(&loss).finish()[0].into()
    }

    /// −Σ wⱼ·tⱼ·ln pⱼ, the loss of PyTorch's `CrossEntropyLoss` for one image.
    fn definition(logits: &[f32], target: &[f64], class_weights: &[f32]) -> f64 {
        let powers: f64 = logits.iter().map(|&z| f64::from(z).exp()).sum();
        let terms = logits.iter().zip(target).zip(class_weights);
        terms
            .map(|((&z, t), &w)| f64::from(w) * t * (powers.ln() - f64::from(z)))
            .sum()
    }

    #[test]
    fn smoothed_and_mixed_labels_give_the_losses_of_pytorch() {
        let logits = [0.5, -1.0, 2.0, 1.0, 0.0, -0.5];
        let class_weights = [0.5, 1.0, 3.0];
        let mixed = Mixed {
            partners: vec![0, 1],
            share: 0.7,
        };
        // Labels 2 and 1, partners 0 and 1; 0.1 / 3 of each class, and 0.9 of the label.
        let smooth = |target: [f64; 3]| target.map(|t| 0.9 * t + 0.1 / 3.0);
        let (hard, blended) = (
            [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]],
            [[0.3, 0.0, 0.7], [0.0, 1.0, 0.0]],
        );
        for (smoothing, mixed, expected) in [
            (0.0, None, hard),
            (0.1, None, hard.map(smooth)),
            (0.0, Some(&mixed), blended),
            (0.1, Some(&mixed), blended.map(smooth)),
        ] {
            let targets = Targets {
                head: Head::Softmax(3),
                labels: &[2, 1],
                class_weights: &class_weights,
                smoothing,
                mixed,
            };
            let rows = logits.chunks(3).zip(expected);
            let expected: f64 = rows
                .map(|(z, t)| definition(z, &t, &class_weights) / 2.0)
                .sum();
            let found = loss(&targets, &logits);
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
            // One logit is that of the second class against the first, whose logit is 0.
            let targets = Targets {
                head: Head::Sigmoid,
                labels: &[1],
                class_weights: &class_weights[1..],
                smoothing,
                mixed: None,
            };
            let target = [0.5 * smoothing, 1.0 - 0.5 * smoothing];
            let expected = definition(&[0.0, -0.8], &target, &class_weights[1..]);
            let found = loss(&targets, &[-0.8]);
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
        // The number that `CrossEntropyLoss(label_smoothing=0.1)` gives for these logits without class weights.
        let targets = Targets {
            head: Head::Softmax(3),
            labels: &[2, 1],
            class_weights: &[1.0; 3],
            smoothing: 0.1,
            mixed: None,
        };
        assert!((loss(&targets, &logits) - 0.919_506_7).abs() < 1e-6);
    }
}
