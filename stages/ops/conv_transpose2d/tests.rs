use dfdx::tensor::Cpu;

use super::{ConvTranspose2d, conv_transpose2d};
use crate::ops::check::{any_threads, backward, close, gradients, noise, noisy};
use crate::ops::{Activation, Conv2d, Wanted, conv2d, from_host, to_host};

const BOTH: Wanted = Wanted {
    input: true,
    parameters: true,
};

fn linear(stride: usize, padding: usize) -> ConvTranspose2d {
    ConvTranspose2d {
        stride,
        padding,
        activation: Activation::Linear,
    }
}

#[test]
fn an_image_worked_by_hand() {
    let cpu = Cpu::default();
    let inputs = [
        from_host(&cpu, vec![1.0, 2.0], (1, 1, 1, 2)),
        from_host(&cpu, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], (1, 1, 2, 3)),
        from_host(&cpu, vec![-3.0], (1, 1, 1, 1)),
    ];
    let op = ConvTranspose2d {
        activation: Activation::LeakyRelu,
        ..linear(2, 0)
    };
    let coefficients = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 10.0];
    let (y, found) = backward(&inputs, &coefficients, |x, p| {
        conv_transpose2d(x, &p[0], &p[1], op, BOTH)
    });
    // Rows 1 2 3+2 4 6 and 4 5 6+8 10 12, less 3; below zero a fifth.
    close(&y, &[-0.4, -0.2, 2.0, 1.0, 3.0, 1.0, 2.0, 11.0, 7.0, 9.0]);
    close(
        &found[0],
        &[
            0.2 + 0.4 + 3.0 + 4.0 + 5.0 + 6.0,
            1.0 + 2.0 + 3.0 + 4.0 + 5.0 + 60.0,
        ],
    );
    close(
        &found[1],
        &[
            0.2 + 2.0,
            0.2 + 2.0,
            1.0 + 2.0,
            1.0 + 2.0,
            1.0 + 2.0,
            1.0 + 20.0,
        ],
    );
    close(&found[2], &[17.4]);
}

#[test]
fn sizes_of_the_output() {
    assert_eq!(linear(2, 1).output_size(32, 4), Some(64));
    assert_eq!(linear(1, 0).output_size(1, 4), Some(4));
    assert_eq!(linear(1, 2).output_size(1, 4), None);
    assert_eq!(linear(1, 3).output_size(1, 4), None);
}

#[test]
fn gradients_of_odd_sizes() {
    let cpu = Cpu::default();
    for kernel in 1..=5 {
        for stride in 1..=3 {
            for padding in 0..=2 {
                if linear(stride, padding).output_size(4, kernel).is_none() {
                    continue;
                }
                let inputs = [
                    noisy(&cpu, (2, 3, 4, 5), 1),
                    noisy(&cpu, (3, 2, kernel, kernel), 2),
                    noisy(&cpu, (1, 2, 1, 1), 3),
                ];
                gradients(&inputs, 0.5, 1e-5, |x, p| {
                    conv_transpose2d(x, &p[0], &p[1], linear(stride, padding), BOTH)
                });
            }
        }
    }
    let single = [
        noisy(&cpu, (1, 1, 1, 1), 1),
        noisy(&cpu, (1, 1, 4, 4), 2),
        noisy(&cpu, (1, 1, 1, 1), 3),
    ];
    gradients(&single, 0.5, 1e-5, |x, p| {
        conv_transpose2d(x, &p[0], &p[1], linear(1, 0), BOTH)
    });
}

/// ⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩, which is what makes it the transpose.
#[test]
fn is_the_transpose_of_a_convolution() {
    let cpu = Cpu::default();
    for (n, stride, size) in [(3, 2, 20), (9, 2, 6), (2, 1, 31)] {
        let x = noisy(&cpu, (n, 5, size, size), 1);
        let weight = noisy(&cpu, (7, 5, 4, 4), 2);
        let zeros = |channels: usize| from_host(&cpu, vec![0.0; channels], (1, channels, 1, 1));
        let op = Conv2d {
            stride,
            padding: 1,
            activation: Activation::Linear,
        };
        let there = to_host(&conv2d(x.clone(), &weight, &zeros(7), op, BOTH));
        let windows = op.output_size(size, 4).expect("a kernel that fits");
        let y = noisy(&cpu, (n, 7, windows, windows), 3);
        let back = to_host(&conv_transpose2d(
            y.clone(),
            &weight,
            &zeros(5),
            linear(stride, 1),
            BOTH,
        ));
        let inner = |left: &[f32], right: &[f32]| -> f64 {
            assert_eq!(left.len(), right.len());
            left.iter()
                .zip(right)
                .map(|(&l, &r)| f64::from(l) * f64::from(r))
                .sum()
        };
        let (forward, backward) = (inner(&there, &to_host(&y)), inner(&to_host(&x), &back));
        assert!(
            (forward - backward).abs() < 1e-3,
            "{forward} is not {backward}"
        );
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    for (x, weight) in [
        ((9, 16, 12, 12), (16, 8, 4, 4)),
        ((20, 32, 4, 4), (32, 24, 4, 4)),
    ] {
        any_threads(|| {
            let cpu = Cpu::default();
            let inputs = [
                noisy(&cpu, x, 1),
                noisy(&cpu, weight, 2),
                noisy(&cpu, (1, weight.1, 1, 1), 3),
            ];
            let op = ConvTranspose2d {
                activation: Activation::Tanh,
                ..linear(2, 1)
            };
            let run = |x, p: &[_]| conv_transpose2d(x, &p[0], &p[1], op, BOTH);
            let (y, mut all) = backward(&inputs, &noise(x.0 * weight.1 * 4 * x.2 * x.3, 4), run);
            all.push(y);
            all
        });
    }
}
