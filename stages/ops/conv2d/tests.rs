use dfdx::tensor::Cpu;

use super::{Conv2d, conv2d};
use crate::ops::check::{any_threads, backward, close, gradients, noise, noisy};
use crate::ops::{Activation, Wanted, from_host, to_host};

const BOTH: Wanted = Wanted {
    input: true,
    parameters: true,
};

fn linear(stride: usize, padding: usize) -> Conv2d {
    Conv2d {
        stride,
        padding,
        activation: Activation::Linear,
    }
}

#[test]
fn an_image_worked_by_hand() {
    let cpu = Cpu::default();
    let x = from_host(
        &cpu,
        vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
        (1, 1, 3, 3),
    );
    let weight = from_host(&cpu, vec![1.0, 2.0, 3.0, 4.0], (1, 1, 2, 2));
    let bias = from_host(&cpu, vec![-50.0], (1, 1, 1, 1));
    let inputs = [x, weight, bias];
    let op = Conv2d {
        activation: Activation::Relu,
        ..linear(1, 0)
    };
    // 1·1 + 2·2 + 3·4 + 4·5 = 37, and 47, 67, 77; the first two fall below zero.
    let (y, found) = backward(&inputs, &[1.0, 1.0, 1.0, 10.0], |x, p| {
        conv2d(x, &p[0], &p[1], op, BOTH)
    });
    close(&y, &[0.0, 0.0, 17.0, 27.0]);
    close(
        &found[0],
        &[0.0, 0.0, 0.0, 1.0, 12.0, 20.0, 3.0, 34.0, 40.0],
    );
    close(&found[1], &[54.0, 65.0, 87.0, 98.0]);
    close(&found[2], &[11.0]);
}

#[test]
fn padding_and_stride_worked_by_hand() {
    let cpu = Cpu::default();
    let x = from_host(&cpu, vec![1.0, 2.0, 3.0, 4.0], (1, 1, 2, 2));
    let weight = from_host(&cpu, vec![1.0; 9], (1, 1, 3, 3));
    let bias = from_host(&cpu, vec![0.5], (1, 1, 1, 1));
    // Windows at −2 and 0, in rows and columns: each sees one corner, one column, one row, or all.
    let strided = conv2d(x.clone(), &weight, &bias, linear(2, 2), BOTH);
    close(&to_host(&strided), &[1.5, 3.5, 4.5, 10.5]);
    let same = conv2d(x, &weight, &bias, linear(1, 1), BOTH);
    close(&to_host(&same), &[10.5; 4]);
}

#[test]
fn sizes_of_the_output() {
    assert_eq!(linear(1, 1).output_size(64, 3), Some(64));
    assert_eq!(linear(2, 1).output_size(64, 4), Some(32));
    assert_eq!(linear(3, 0).output_size(7, 3), Some(2));
    assert_eq!(linear(1, 0).output_size(2, 3), None);
    assert_eq!(linear(1, 1).output_size(1, 3), Some(1));
}

#[test]
fn gradients_of_odd_sizes() {
    let cpu = Cpu::default();
    for kernel in 1..=5 {
        for stride in 1..=3 {
            for padding in 0..=2 {
                let inputs = [
                    noisy(&cpu, (2, 3, 5, 7), 1),
                    noisy(&cpu, (2, 3, kernel, kernel), 2),
                    noisy(&cpu, (1, 2, 1, 1), 3),
                ];
                gradients(&inputs, 0.5, 1e-5, |x, p| {
                    conv2d(x, &p[0], &p[1], linear(stride, padding), BOTH)
                });
            }
        }
    }
}

#[test]
fn gradients_of_one_image_and_one_channel_and_of_oblong_kernels() {
    let cpu = Cpu::default();
    for (x, weight) in [
        ((1, 1, 4, 4), (1, 1, 3, 3)),
        ((1, 1, 1, 1), (3, 1, 1, 1)),
        ((3, 2, 6, 3), (2, 2, 3, 1)),
    ] {
        for stride in 1..=2 {
            let inputs = [
                noisy(&cpu, x, 4),
                noisy(&cpu, weight, 5),
                noisy(&cpu, (1, weight.0, 1, 1), 6),
            ];
            gradients(&inputs, 0.5, 1e-5, |x, p| {
                conv2d(x, &p[0], &p[1], linear(stride, 1), BOTH)
            });
        }
    }
}

#[test]
fn gradients_through_every_activation() {
    let cpu = Cpu::default();
    for activation in [Activation::Elu, Activation::Sigmoid, Activation::Tanh] {
        let op = Conv2d {
            activation,
            ..linear(1, 1)
        };
        let inputs = [
            noisy(&cpu, (1, 2, 3, 3), 1),
            noisy(&cpu, (2, 2, 3, 3), 2),
            noisy(&cpu, (1, 2, 1, 1), 3),
        ];
        gradients(&inputs, 0.01, 1e-3, |x, p| {
            conv2d(x, &p[0], &p[1], op, BOTH)
        });
    }
}

/// The definition, in double precision.
fn reference(
    x: &[f32],
    (n, c, h, w): (usize, usize, usize, usize),
    weight: &[f32],
    filters: usize,
    k: usize,
    op: Conv2d,
) -> Vec<f32> {
    let (rows, columns) = (
        op.output_size(h, k).expect("fits"),
        op.output_size(w, k).expect("fits"),
    );
    let mut y = Vec::new();
    for image in 0..n {
        for filter in 0..filters {
            for position in 0..rows * columns {
                let mut sum = 0.0;
                for tap in 0..c * k * k {
                    let (channel, ky, kx) = (tap / (k * k), tap / k % k, tap % k);
                    let (at_y, at_x) = (
                        position / columns * op.stride + ky,
                        position % columns * op.stride + kx,
                    );
                    if (op.padding..op.padding + h).contains(&at_y)
                        && (op.padding..op.padding + w).contains(&at_x)
                    {
                        let at =
                            ((image * c + channel) * h + at_y - op.padding) * w + at_x - op.padding;
                        sum += f64::from(x[at]) * f64::from(weight[filter * c * k * k + tap]);
                    }
                }
                y.push(sum as f32);
            }
        }
    }
    y
}

#[test]
fn sizes_that_need_several_tiles_agree_with_the_definition() {
    let cpu = Cpu::default();
    for (shape, filters, k, op) in [
        ((2, 40, 33, 37), 5, 3, linear(1, 1)),
        ((9, 16, 5, 5), 20, 4, linear(2, 1)),
        ((5, 3, 64, 64), 4, 5, linear(2, 2)),
        ((33, 30, 2, 2), 17, 2, linear(1, 0)),
    ] {
        let (x, weight) = (noisy(&cpu, shape, 1), noise(filters * shape.1 * k * k, 2));
        let expected = reference(&to_host(&x), shape, &weight, filters, k, op);
        let weight = from_host(&cpu, weight, (filters, shape.1, k, k));
        let bias = from_host(&cpu, vec![0.0; filters], (1, filters, 1, 1));
        let found = to_host(&conv2d(x, &weight, &bias, op, BOTH));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    for (x, weight, stride) in [
        ((9, 8, 24, 24), (16, 8, 3, 3), 1),
        ((9, 8, 24, 24), (16, 8, 4, 4), 2),
        ((20, 32, 4, 4), (24, 32, 3, 3), 1),
    ] {
        any_threads(|| {
            let cpu = Cpu::default();
            let inputs = [
                noisy(&cpu, x, 1),
                noisy(&cpu, weight, 2),
                noisy(&cpu, (1, weight.0, 1, 1), 3),
            ];
            let op = Conv2d {
                activation: Activation::LeakyRelu,
                ..linear(stride, 1)
            };
            let count = to_host(&conv2d(inputs[0].clone(), &inputs[1], &inputs[2], op, BOTH)).len();
            let (y, mut all) = backward(&inputs, &noise(count, 4), |x, p| {
                conv2d(x, &p[0], &p[1], op, BOTH)
            });
            all.push(y);
            all
        });
    }
}
