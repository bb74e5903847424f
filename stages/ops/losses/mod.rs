//! Losses on logits: means over the batch, with a weight for every example.
//!
//! A batch's logits are few, so they are computed on the host in double precision, whatever the
//! device.

#[cfg(test)]
mod tests;

use dfdx::shapes::HasShape;
use dfdx::tensor::{PutTape, SplitTape, Tape};

use super::memory::take;
use super::{Backend, Scalar, Tensor4, device_failed, to_host};

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
    mean(logits, |logits| {
        let each = logits
            .iter()
            .zip(targets)
            .zip(weights)
            .map(|((&logit, &target), &weight)| {
                let [z, t, w] = [logit, target, weight].map(f64::from);
                let loss = z.max(0.0) - z * t + (-z.abs()).exp().ln_1p();
                let sigmoid = if z < 0.0 {
                    z.exp() / (1.0 + z.exp())
                } else {
                    1.0 / (1.0 + (-z).exp())
                };
                // Not a number must stay so, which `max` does not see to.
                (if z.is_nan() { z } else { w * loss }, w * (sigmoid - t))
            });
        each.unzip()
    })
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
        "logits for every class"
    );
    assert_eq!(weights.len(), examples, "a weight for every class");
    mean(logits, |logits| {
        let (mut losses, mut gradient) = (
            Vec::with_capacity(examples),
            Vec::with_capacity(logits.len()),
        );
        for ((logits, &class), &weight) in logits.chunks_exact(k).zip(classes).zip(weights) {
            let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let powers: Vec<f64> = logits
                .iter()
                .map(|&z| (f64::from(z) - largest).exp())
                .collect();
            let (sum, weight): (f64, f64) = (powers.iter().sum(), weight.into());
            losses.push(weight * (largest + sum.ln() - f64::from(logits[class])));
            let one_hot = |j| if j == class { 1.0 } else { 0.0 };
            gradient.extend(
                powers
                    .iter()
                    .enumerate()
                    .map(|(j, power)| weight * (power / sum - one_hot(j))),
            );
        }
        (losses, gradient)
    })
}

/// The sum of losses over the number of examples. `losses` takes the logits to every example's loss
/// and to its derivatives by its logits.
fn mean<B: Backend, T: Tape<f32, B>>(
    logits: Tensor4<B, T>,
    losses: impl FnOnce(&[f32]) -> (Vec<f64>, Vec<f64>),
) -> Scalar<B, T> {
    let (logits, mut tape) = logits.split_tape();
    let device = logits.device().clone();
    let (losses, derivatives) = losses(&to_host(&logits));
    let examples = losses.len() as f64;
    let mean = (losses.iter().sum::<f64>() / examples) as f32;
    let loss: Scalar<B> = device
        .try_tensor_from_vec(vec![mean], ())
        .unwrap_or_else(device_failed("a loss"));
    let (logits, loss_id) = (logits.ghost(), loss.ghost());
    tape.add_backward_op(move |gradients| {
        let incoming = take(&device, gradients.get_or_alloc_mut(&loss_id)?)?;
        let factor = f64::from(device.read(&incoming)?[0]) / examples;
        let to_logits = gradients.get_or_alloc_mut(&logits)?;
        let mut sum = device.read(to_logits)?;
        sum.iter_mut()
            .zip(&derivatives)
            .for_each(|(to, derivative)| *to += (factor * derivative) as f32);
        device.write(&sum, to_logits)
    });
    loss.put_tape(tape)
}
