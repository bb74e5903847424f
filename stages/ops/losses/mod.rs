//! Losses on logits: weighted means over the examples of a batch.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::shapes::HasShape;
use dfdx::tensor::{Gradients, OwnedTape, PutTape, SplitTape, Tape};
use dfdx::tensor_ops::Backward;

use super::memory::{Memory, take};
use super::{Backend, Nchw, Scalar, Tensor4, device_failed};

/// Target that each example's logits are compared with.
#[derive(Clone, Copy, Debug)]
pub enum Truth<'a> {
    /// Target probability, in [0, 1], of the example's only logit: binary cross-entropy.
    Probabilities(&'a [f32]),
    /// Index of the true class among the example's logits: cross-entropy.
    Classes(&'a [usize]),
    /// Target probabilities of all classes, example by example: cross-entropy with soft targets.
    Distributions(&'a [f32]),
}

/// A device's implementation of losses.
///
/// Logits are few, and losses are sums of terms that nearly cancel. Therefore each term and the mean are
/// computed in double precision and rounded once.
pub trait LossKernel: Memory {
    /// Derivatives with respect to the logits, or what the backward pass computes them from.
    type Kept: 'static;

    /// Returns the mean, over the n examples, of each example's loss times its weight. `logits` is (n, k, 1, 1), and
    /// there are n truths (n·k probabilities for
    /// distributions) and n weights.
    fn forward(
        &self,
        truth: Truth<'_>,
        weights: &[f32],
        logits: &Tensor4<Self>,
    ) -> Result<(Scalar<Self>, Self::Kept), Self::Err>;

    /// Multiplies the derivatives by the only value of `incoming`, and adds the products to the gradient of the
    /// logits, whose shape is `logits`.
    fn backward(
        &self,
        kept: Self::Kept,
        logits: Nchw,
        incoming: Self::Vec,
        to_logits: &mut Self::Vec,
    ) -> Result<(), Self::Err>;
}

/// Binary cross-entropy of `logits` (n, 1, 1, 1) with `targets` in [0, 1]:
/// the sum of wᵢ·(max(z, 0) − z·t + ln(1 + e^−|z|)), divided by n.
///
/// # Panics
/// If the lengths differ, or the device fails.
pub fn binary_cross_entropy<B: Backend, T: Tape<f32, B>>(
    logits: Tensor4<B, T>,
    targets: &[f32],
    weights: &[f32],
) -> Scalar<B, T> {
    let examples = targets.len();
    assert_eq!(
        *logits.shape(),
        (examples, 1, 1, 1),
        "a logit for every target"
    );
    assert_eq!(weights.len(), examples, "a weight for every target");
    loss(logits, Truth::Probabilities(targets), weights)
}

/// Cross-entropy of `logits` (n, k, 1, 1) with the classes (each below k):
/// the sum of wᵢ·(ln Σⱼ e^zⱼ − z_class), divided by n.
///
/// # Panics
/// If the lengths differ, a class is not below k, or the device fails.
pub fn cross_entropy<B: Backend, T: Tape<f32, B>>(
    logits: Tensor4<B, T>,
    classes: &[usize],
    weights: &[f32],
) -> Scalar<B, T> {
    let (examples, k) = (classes.len(), logits.shape().1);
    assert_eq!(
        *logits.shape(),
        (examples, k, 1, 1),
        "logits of shape (n, k, 1, 1)"
    );
    assert_eq!(weights.len(), examples, "a weight for every example");
    assert!(
        classes.iter().all(|&class| class < k),
        "every class must have a logit"
    );
    loss(logits, Truth::Classes(classes), weights)
}

/// Cross-entropy of `logits` (n, k, 1, 1) with the target probabilities of all k classes, example by example:
/// the sum of wᵢ·Σⱼ tⱼ·(ln Σₗ e^zₗ − zⱼ), divided by n. For targets that are 1 for one class, this is
/// [`cross_entropy`].
///
/// # Panics
/// If the lengths differ, or the device fails.
pub fn soft_cross_entropy<B: Backend, T: Tape<f32, B>>(
    logits: Tensor4<B, T>,
    targets: &[f32],
    weights: &[f32],
) -> Scalar<B, T> {
    let (examples, k) = (weights.len(), logits.shape().1);
    assert_eq!(
        *logits.shape(),
        (examples, k, 1, 1),
        "logits of shape (n, k, 1, 1)"
    );
    assert_eq!(targets.len(), examples * k, "a target for every logit");
    loss(logits, Truth::Distributions(targets), weights)
}

/// Computes a loss and records its backward pass on the tape.
fn loss<B: Backend, T: Tape<f32, B>>(
    logits: Tensor4<B, T>,
    truth: Truth<'_>,
    weights: &[f32],
) -> Scalar<B, T> {
    let (logits, mut tape) = logits.split_tape();
    let device = logits.device().clone();
    let (loss, kept) = LossKernel::forward(&device, truth, weights, &logits)
        .unwrap_or_else(device_failed("the loss"));
    let (shape, logits, loss_id) = (*logits.shape(), logits.ghost(), loss.ghost());
    tape.add_backward_op(move |gradients| {
        let incoming = take(&device, gradients.get_or_alloc_mut(&loss_id)?)?;
        let to_logits = gradients.get_or_alloc_mut(&logits)?;
        LossKernel::backward(&device, kept, shape, incoming, to_logits)
    });
    loss.put_tape(tape)
}

/// Returns the gradients of a loss with respect to every tensor that its tape knows. Does not wait for the
/// device.
///
/// # Panics
/// If the device fails.
pub fn backward<B: Backend>(loss: Scalar<B, OwnedTape<f32, B>>) -> Gradients<f32, B> {
    loss.try_backward()
        .unwrap_or_else(device_failed("the backward pass"))
}
