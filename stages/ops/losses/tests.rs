use std::f32::consts::LN_2;

use dfdx::tensor::{NoneTape, OwnedTape, Trace};
use dfdx::tensor_ops::Backward;

use super::{binary_cross_entropy, cross_entropy, soft_cross_entropy};
use crate::check::{close, noise, on_every_device, twice};
use crate::{Backend, Nchw, Reading, Scalar, Tensor4, from_host, to_host};

on_every_device!(
    binary_cross_entropy_worked_by_hand,
    binary_cross_entropy_of_large_logits_is_finite,
    cross_entropy_worked_by_hand,
    cross_entropy_of_large_logits_is_finite,
    soft_targets_give_the_losses_of_pytorch,
    soft_targets_of_one_class_are_hard_ones,
    gradients_are_those_of_the_loss,
    nan_stays_nan,
    the_gradient_scales_with_the_loss,
    the_same_bits_twice,
);

fn value_and_gradient<B: Backend>(
    loss: Scalar<B, OwnedTape<f32, B>>,
    logits: &Tensor4<B>,
) -> (f32, Vec<f32>) {
    let value = Reading::of(&loss.retaped::<NoneTape>()).finish()[0];
    (value, to_host(&loss.backward().get(logits)))
}

/// Returns the loss, and its gradient with respect to the logits.
fn binary<B: Backend>(
    device: &B,
    logits: &[f32],
    targets: &[f32],
    weights: &[f32],
) -> (f32, Vec<f32>) {
    let logits = from_host(device, logits.to_vec(), (logits.len(), 1, 1, 1));
    let loss = binary_cross_entropy(logits.leaky_trace(), targets, weights);
    value_and_gradient(loss, &logits)
}

fn categorical<B: Backend>(
    device: &B,
    logits: &[f32],
    shape: Nchw,
    classes: &[usize],
    weights: &[f32],
) -> (f32, Vec<f32>) {
    let logits = from_host(device, logits.to_vec(), shape);
    let loss = cross_entropy(logits.leaky_trace(), classes, weights);
    value_and_gradient(loss, &logits)
}

fn distributed<B: Backend>(
    device: &B,
    logits: &[f32],
    targets: &[f32],
    weights: &[f32],
) -> (f32, Vec<f32>) {
    let shape = (weights.len(), logits.len() / weights.len(), 1, 1);
    let logits = from_host(device, logits.to_vec(), shape);
    let loss = soft_cross_entropy(logits.leaky_trace(), targets, weights);
    value_and_gradient(loss, &logits)
}

/// Expected values from the formula of PyTorch's documentation of `CrossEntropyLoss` with probabilities as targets,
/// in Python in double precision. The targets are those of its `label_smoothing=0.1` for the classes 2 and 1.
fn soft_targets_give_the_losses_of_pytorch<B: Backend>(device: &B) {
    let (low, high) = (0.1 / 3.0, 0.9 + 0.1 / 3.0);
    let logits = [0.5, -1.0, 2.0, 1.0, 0.0, -0.5];
    let targets = [low, low, high, low, high, low];
    let (loss, _) = distributed(device, &logits, &targets, &[1.0, 1.0]);
    close(&[loss], &[0.919_506_7]);
    // Logits ln 1, ln 2, ln 5, so probabilities 1/8, 2/8, 5/8; targets 1/2, 1/2, 0; weight 3.
    let logits = [0.0, LN_2, 1.609_438];
    let (loss, gradient) = distributed(device, &logits, &[0.5, 0.5, 0.0], &[3.0]);
    close(&[loss], &[1.5 * (8.0f32.ln() + 4.0f32.ln())]);
    close(&gradient, &[-1.125, -0.75, 1.875]);
}

fn soft_targets_of_one_class_are_hard_ones<B: Backend>(device: &B) {
    let (logits, weights) = (noise(60, 1), noise(20, 2));
    let classes: Vec<usize> = (0..20).map(|example| example % 3).collect();
    let one_hot: Vec<f32> = (0..60)
        .map(|at| if classes[at / 3] == at % 3 { 1.0 } else { 0.0 })
        .collect();
    let soft = distributed(device, &logits, &one_hot, &weights);
    let hard = categorical(device, &logits, (20, 3, 1, 1), &classes, &weights);
    close(&[soft.0], &[hard.0]);
    close(&soft.1, &hard.1);
}

fn binary_cross_entropy_worked_by_hand<B: Backend>(device: &B) {
    // The losses are ln 2, and ln(1 + e^−2) with weight 3.
    let (loss, gradient) = binary(device, &[0.0, 2.0], &[1.0, 1.0], &[1.0, 3.0]);
    close(&[loss], &[(LN_2 + 3.0 * 0.126_928_01) / 2.0]);
    close(&gradient, &[-0.25, 3.0 * (0.880_797_1 - 1.0) / 2.0]);
}

fn binary_cross_entropy_of_large_logits_is_finite<B: Backend>(device: &B) {
    let (loss, gradient) = binary(
        device,
        &[1000.0, -1000.0, -1000.0],
        &[0.0, 1.0, 0.0],
        &[1.0; 3],
    );
    close(&[loss], &[2000.0 / 3.0]);
    close(&gradient, &[1.0 / 3.0, -1.0 / 3.0, 0.0]);
}

fn cross_entropy_worked_by_hand<B: Backend>(device: &B) {
    // Logits ln 1, ln 2, ln 5: probabilities 1/8, 2/8, 5/8.
    let logits = [0.0, LN_2, 1.609_438, 7.0, 7.0, 7.0];
    let (loss, gradient) = categorical(device, &logits, (2, 3, 1, 1), &[1, 2], &[2.0, 1.0]);
    close(&[loss], &[(2.0 * 4.0f32.ln() + 3.0f32.ln()) / 2.0]);
    close(
        &gradient,
        &[0.125, -0.75, 0.625, 1.0 / 6.0, 1.0 / 6.0, -1.0 / 3.0],
    );
}

fn cross_entropy_of_large_logits_is_finite<B: Backend>(device: &B) {
    let (loss, gradient) = categorical(device, &[1000.0, -1000.0], (1, 2, 1, 1), &[1], &[1.0]);
    close(&[loss], &[2000.0]);
    close(&gradient, &[1.0, -1.0]);
}

fn gradients_are_those_of_the_loss<B: Backend>(device: &B) {
    let (logits, weights, step) = (noise(12, 1), [0.5, 1.0, 2.0, 1.5], 0.01);
    let targets = [0.0, 1.0, 0.3, 1.0];
    type Loss<'a> = &'a dyn Fn(&[f32]) -> (f32, Vec<f32>);
    let soft = noise(12, 5);
    let losses: [(usize, Loss<'_>); 3] = [
        (4, &|logits| binary(device, logits, &targets, &weights)),
        (12, &|logits| {
            categorical(device, logits, (4, 3, 1, 1), &[0, 2, 1, 1], &weights)
        }),
        // Also targets that do not add up to 1.
        (12, &|logits| distributed(device, logits, &soft, &weights)),
    ];
    for (count, loss) in losses {
        let (_, gradient) = loss(&logits[..count]);
        for index in 0..count {
            let moved = |by: f32| {
                let mut logits = logits[..count].to_vec();
                logits[index] += by;
                loss(&logits).0
            };
            let numeric = (moved(step) - moved(-step)) / (2.0 * step);
            assert!(
                (numeric - gradient[index]).abs() < 1e-4,
                "{numeric} is not {}",
                gradient[index]
            );
        }
    }
}

fn nan_stays_nan<B: Backend>(device: &B) {
    assert!(
        binary(device, &[f32::NAN, 0.0], &[1.0, 1.0], &[1.0, 1.0])
            .0
            .is_nan()
    );
    assert!(
        categorical(device, &[f32::NAN, 0.0], (1, 2, 1, 1), &[1], &[1.0])
            .0
            .is_nan()
    );
}

fn the_gradient_scales_with_the_loss<B: Backend>(device: &B) {
    let logits = from_host(device, vec![0.0], (1, 1, 1, 1));
    let loss = binary_cross_entropy(logits.leaky_trace(), &[1.0], &[1.0]) * 4.0;
    close(&to_host(&loss.backward().get(&logits)), &[-2.0]);
}

fn the_same_bits_twice<B: Backend>(device: &B) {
    let (logits, targets, weights) = (noise(900, 1), noise(900, 2), noise(900, 3));
    let classes: Vec<usize> = (0..300).map(|example| example % 3).collect();
    twice(|| {
        let (loss, gradient) = binary(device, &logits, &targets, &weights);
        let (of_classes, by_logits) =
            categorical(device, &logits, (300, 3, 1, 1), &classes, &weights[..300]);
        let soft = distributed(device, &logits, &targets, &weights[..300]);
        vec![vec![loss, of_classes, soft.0], gradient, by_logits, soft.1]
    });
}
