use dfdx::tensor::Cpu;

use super::{ConvTranspose2d, conv_transpose2d};
#[cfg(feature = "cuda")]
use crate::check::on_gpu_within_bounds;
use crate::check::{any_threads, backward, close, gradients, noise, noisy, on_every_device, twice};
use crate::reference::{Definition, convolution};
use crate::{Activation, Backend, Conv2d, Wanted, conv2d, from_host, to_host};

const BOTH: Wanted = Wanted {
    input: true,
    parameters: true,
};

on_every_device!(
    an_image_worked_by_hand,
    gradients_of_one_value,
    is_the_transpose_of_a_convolution,
    the_same_bits_twice,
);

fn linear(stride: usize, padding: usize) -> ConvTranspose2d {
    ConvTranspose2d {
        stride,
        padding,
        activation: Activation::Linear,
    }
}

fn an_image_worked_by_hand<B: Backend>(device: &B) {
    let inputs = [
        from_host(device, vec![1.0, 2.0], (1, 1, 1, 2)),
        from_host(device, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], (1, 1, 2, 3)),
        from_host(device, vec![-3.0], (1, 1, 1, 1)),
    ];
    let op = ConvTranspose2d {
        activation: Activation::LeakyRelu,
        ..linear(2, 0)
    };
    let coefficients = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 10.0];
    let (y, found) = backward(&inputs, &coefficients, |x, p| {
        conv_transpose2d(x, &p[0], &p[1], op, BOTH)
    });
    // Rows 1 2 3+2 4 6 and 4 5 6+8 10 12, minus 3; negative values are divided by 5.
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

/// CPU only: on a GPU, every one of these cases would have to compile its own kernels.
#[test]
fn gradients_of_odd_sizes() {
    let device = &Cpu::default();
    for kernel in 1..=5 {
        for stride in 1..=3 {
            for padding in 0..=2 {
                if linear(stride, padding).output_size(4, kernel).is_none() {
                    continue;
                }
                let inputs = [
                    noisy(device, (2, 3, 4, 5), 1),
                    noisy(device, (3, 2, kernel, kernel), 2),
                    noisy(device, (1, 2, 1, 1), 3),
                ];
                gradients(&inputs, 0.5, 1e-5, |x, p| {
                    conv_transpose2d(x, &p[0], &p[1], linear(stride, padding), BOTH)
                });
            }
        }
    }
}

fn gradients_of_one_value<B: Backend>(device: &B) {
    let single = [
        noisy(device, (1, 1, 1, 1), 1),
        noisy(device, (1, 1, 4, 4), 2),
        noisy(device, (1, 1, 1, 1), 3),
    ];
    gradients(&single, 0.5, 1e-5, |x, p| {
        conv_transpose2d(x, &p[0], &p[1], linear(1, 0), BOTH)
    });
}

/// ⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩, the definition of the transpose.
fn is_the_transpose_of_a_convolution<B: Backend>(device: &B) {
    for (n, stride, size) in [(3, 2, 20), (9, 2, 6), (2, 1, 31)] {
        let x = noisy(device, (n, 5, size, size), 1);
        let weight = noisy(device, (7, 5, 4, 4), 2);
        let zeros = |channels: usize| from_host(device, vec![0.0; channels], (1, channels, 1, 1));
        let op = Conv2d::square(stride, 1);
        let there = to_host(&conv2d(x.clone(), &weight, &zeros(7), op, BOTH));
        let windows = op.output_size([size; 2], [4; 2]);
        let [rows, columns] = windows.expect("a kernel that fits");
        let y = noisy(device, (n, 7, rows, columns), 3);
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

fn agrees_with_the_definition<B: Backend>(device: &B, bound: f64) {
    for (x, weight, stride, padding, activation) in [
        ((2, 3, 5, 4), (3, 5, 3, 3), 1, 1, Activation::Relu),
        ((1, 1, 1, 3), (1, 1, 2, 1), 3, 0, Activation::Tanh),
        ((2, 20, 4, 5), (20, 70, 4, 4), 2, 1, Activation::LeakyRelu),
        ((3, 33, 3, 3), (33, 9, 5, 2), 3, 2, Activation::Elu),
        ((1, 128, 5, 4), (128, 128, 4, 4), 2, 1, Activation::Relu),
    ] {
        let op = ConvTranspose2d {
            stride,
            padding,
            activation,
        };
        let output = (
            x.0,
            weight.1,
            op.output_size(x.2, weight.2)
                .expect("an output that the padding does not remove"),
            op.output_size(x.3, weight.3)
                .expect("an output that the padding does not remove"),
        );
        // Products of a convolution, with input and output exchanged.
        let definition = Definition {
            sums: output,
            products: &|product| {
                let mut turned = |input, output, tap| product(output, input, tap);
                convolution(output, weight, Conv2d::square(stride, padding), &mut turned);
            },
            activation,
            pool: None,
        };
        let inputs = [
            noisy(device, x, 1),
            noisy(device, weight, 2),
            noisy(device, (1, weight.1, 1, 1), 3),
        ];
        definition.agrees(&inputs, bound, |x, p| {
            conv_transpose2d(x, &p[0], &p[1], op, BOTH)
        });
    }
}

#[test]
fn the_cpu_agrees_with_the_definition() {
    agrees_with_the_definition(&Cpu::default(), 1e-6);
}

#[cfg(feature = "cuda")]
#[test]
fn a_gpu_agrees_with_the_definition() {
    on_gpu_within_bounds(agrees_with_the_definition);
}

/// Output and gradients of layers of different sizes.
fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    [
        ((9, 16, 12, 12), (16, 8, 4, 4)),
        ((20, 32, 4, 4), (32, 24, 4, 4)),
    ]
    .into_iter()
    .flat_map(|(x, weight)| {
        let inputs = [
            noisy(device, x, 1),
            noisy(device, weight, 2),
            noisy(device, (1, weight.1, 1, 1), 3),
        ];
        let op = ConvTranspose2d {
            activation: Activation::Tanh,
            ..linear(2, 1)
        };
        let run = |x, p: &[_]| conv_transpose2d(x, &p[0], &p[1], op, BOTH);
        let (y, mut all) = backward(&inputs, &noise(x.0 * weight.1 * 4 * x.2 * x.3, 4), run);
        all.push(y);
        all
    })
    .collect()
}

#[test]
fn threads_do_not_change_a_bit() {
    any_threads(|| results(&Cpu::default()));
}

fn the_same_bits_twice<B: Backend>(device: &B) {
    twice(|| results(device));
}
