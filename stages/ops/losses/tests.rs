use std::f32::consts::LN_2;

use dfdx::tensor::{AsArray, Cpu, Trace};
use dfdx::tensor_ops::Backward;

use super::{binary_cross_entropy, cross_entropy};
use crate::ops::check::{close, noise};
use crate::ops::{Nchw, from_host, to_host};

/// The loss and its gradient by the logits.
fn binary(logits: &[f32], targets: &[f32], weights: &[f32]) -> (f32, Vec<f32>) {
    let logits = from_host(&Cpu::default(), logits.to_vec(), (logits.len(), 1, 1, 1));
    let loss = binary_cross_entropy(logits.leaky_trace(), targets, weights);
    (loss.array(), to_host(&loss.backward().get(&logits)))
}

fn categorical(logits: &[f32], shape: Nchw, classes: &[usize], weights: &[f32]) -> (f32, Vec<f32>) {
    let logits = from_host(&Cpu::default(), logits.to_vec(), shape);
    let loss = cross_entropy(logits.leaky_trace(), classes, weights);
    (loss.array(), to_host(&loss.backward().get(&logits)))
}

#[test]
fn binary_cross_entropy_worked_by_hand() {
    // ln 2, and ln(1 + e^−2) with weight 3.
    let (loss, gradient) = binary(&[0.0, 2.0], &[1.0, 1.0], &[1.0, 3.0]);
    close(&[loss], &[(LN_2 + 3.0 * 0.126_928_01) / 2.0]);
    close(&gradient, &[-0.25, 3.0 * (0.880_797_1 - 1.0) / 2.0]);
}

#[test]
fn binary_cross_entropy_of_great_logits_is_finite() {
    let (loss, gradient) = binary(&[1000.0, -1000.0, -1000.0], &[0.0, 1.0, 0.0], &[1.0; 3]);
    close(&[loss], &[2000.0 / 3.0]);
    close(&gradient, &[1.0 / 3.0, -1.0 / 3.0, 0.0]);
}

#[test]
fn cross_entropy_worked_by_hand() {
    // Logits ln 1, ln 2, ln 5: probabilities 1/8, 2/8, 5/8.
    let logits = [0.0, LN_2, 1.609_438, 7.0, 7.0, 7.0];
    let (loss, gradient) = categorical(&logits, (2, 3, 1, 1), &[1, 2], &[2.0, 1.0]);
    close(&[loss], &[(2.0 * 4.0f32.ln() + 3.0f32.ln()) / 2.0]);
    close(
        &gradient,
        &[0.125, -0.75, 0.625, 1.0 / 6.0, 1.0 / 6.0, -1.0 / 3.0],
    );
}

#[test]
fn cross_entropy_of_great_logits_is_finite() {
    let (loss, gradient) = categorical(&[1000.0, -1000.0], (1, 2, 1, 1), &[1], &[1.0]);
    close(&[loss], &[2000.0]);
    close(&gradient, &[1.0, -1.0]);
}

#[test]
fn gradients_are_those_of_the_loss() {
    let (logits, weights, step) = (noise(12, 1), [0.5, 1.0, 2.0, 1.5], 0.01);
    let targets = [0.0, 1.0, 0.3, 1.0];
    type Loss<'a> = &'a dyn Fn(&[f32]) -> (f32, Vec<f32>);
    let losses: [(usize, Loss<'_>); 2] = [
        (4, &|logits| binary(logits, &targets, &weights)),
        (12, &|logits| {
            categorical(logits, (4, 3, 1, 1), &[0, 2, 1, 1], &weights)
        }),
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

#[test]
fn what_is_not_a_number_stays_so() {
    assert!(
        binary(&[f32::NAN, 0.0], &[1.0, 1.0], &[1.0, 1.0])
            .0
            .is_nan()
    );
    assert!(
        categorical(&[f32::NAN, 0.0], (1, 2, 1, 1), &[1], &[1.0])
            .0
            .is_nan()
    );
}

#[test]
fn the_gradient_follows_what_the_loss_is_multiplied_by() {
    let logits = from_host(&Cpu::default(), vec![0.0], (1, 1, 1, 1));
    let loss = binary_cross_entropy(logits.leaky_trace(), &[1.0], &[1.0]) * 4.0;
    close(&to_host(&loss.backward().get(&logits)), &[-2.0]);
}
