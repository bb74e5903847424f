//! CPU implementation of losses.

use dfdx::tensor::{Cpu, CpuError, Storage, TensorFromVec};

use super::{LossKernel, Truth};
use crate::cpu::values::values;
use crate::{Nchw, Scalar, Tensor4};

type Buffer = <Cpu as Storage<f32>>::Vec;

impl LossKernel for Cpu {
    /// Derivatives of every example's loss with respect to its logits.
    type Kept = Vec<f64>;

    fn forward(
        &self,
        truth: Truth<'_>,
        weights: &[f32],
        logits: &Tensor4<Cpu>,
    ) -> Result<(Scalar<Cpu>, Vec<f64>), CpuError> {
        let (losses, derivatives) = match truth {
            Truth::Probabilities(targets) => binary(values(logits), targets, weights),
            Truth::Classes(classes) => categorical(values(logits), classes, weights),
            Truth::Distributions(targets) => distributed(values(logits), targets, weights),
        };
        let mean = (losses.iter().sum::<f64>() / losses.len() as f64) as f32;
        Ok((self.try_tensor_from_vec(vec![mean], ())?, derivatives))
    }

    fn backward(
        &self,
        derivatives: Vec<f64>,
        (examples, ..): Nchw,
        incoming: Buffer,
        to_logits: &mut Buffer,
    ) -> Result<(), CpuError> {
        let factor = f64::from(incoming[0]) / examples as f64;
        to_logits
            .iter_mut()
            .zip(&derivatives)
            .for_each(|(to, derivative)| *to += (factor * derivative) as f32);
        Ok(())
    }
}

/// Returns every example's loss, and its derivative.
fn binary(logits: &[f32], targets: &[f32], weights: &[f32]) -> (Vec<f64>, Vec<f64>) {
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
            // A NaN logit must give a NaN loss, although `max` ignores NaN.
            (if z.is_nan() { z } else { w * loss }, w * (sigmoid - t))
        });
    each.unzip()
}

/// Returns every example's loss, and its derivatives with respect to all of its logits.
fn categorical(logits: &[f32], classes: &[usize], weights: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let k = logits.len() / classes.len();
    let (mut losses, mut gradient) = (
        Vec::with_capacity(classes.len()),
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
}

/// Returns every example's loss, and its derivatives with respect to all of its logits.
fn distributed(logits: &[f32], targets: &[f32], weights: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let k = logits.len() / weights.len();
    let (mut losses, mut gradient) = (
        Vec::with_capacity(weights.len()),
        Vec::with_capacity(logits.len()),
    );
    let examples = logits.chunks_exact(k).zip(targets.chunks_exact(k));
    for ((logits, targets), &weight) in examples.zip(weights) {
        let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let powers: Vec<f64> = logits
            .iter()
            .map(|&z| (f64::from(z) - largest).exp())
            .collect();
        let (sum, weight): (f64, f64) = (powers.iter().sum(), weight.into());
        let log_sum = largest + sum.ln();
        let terms = logits.iter().zip(targets);
        let terms = terms.map(|(&z, &t)| f64::from(t) * (log_sum - f64::from(z)));
        losses.push(weight * terms.sum::<f64>());
        let total: f64 = targets.iter().copied().map(f64::from).sum();
        gradient.extend(
            powers
                .iter()
                .zip(targets)
                .map(|(power, &t)| weight * (total * power / sum - f64::from(t))),
        );
    }
    (losses, gradient)
}
