use dfdx::tensor::Cpu;

use super::{ConvPool2d, conv_pool2d};
#[cfg(feature = "cuda")]
use crate::check::on_gpu_within_bounds;
use crate::check::{any_threads, backward, noise, noisy, on_every_device, twice};
use crate::reference::{Definition, convolution};
use crate::{Activation, Backend, Conv2d, Nchw, Pool2d, Tensor4, Wanted, conv2d, max_pool2d};

const BOTH: Wanted = Wanted {
    input: true,
    parameters: true,
};

const HALVE: Pool2d = Pool2d::square(2, 2);

on_every_device!(
    equals_convolution_followed_by_pooling,
    nan_is_the_maximum,
    the_same_bits_twice,
);

fn op(stride: usize, activation: Activation, pool: Pool2d) -> ConvPool2d {
    let conv = Conv2d {
        activation,
        ..Conv2d::square(stride, 1)
    };
    ConvPool2d::of(conv, pool).expect("a plain convolution")
}

fn inputs<B: Backend>(device: &B, x: Nchw, filters: usize, kernel: usize) -> [Tensor4<B>; 3] {
    [
        noisy(device, x, 1),
        noisy(device, (filters, x.1, kernel, kernel), 2),
        noisy(device, (1, filters, 1, 1), 3),
    ]
}

fn equals_convolution_followed_by_pooling<B: Backend>(device: &B) {
    let overlapping = Pool2d::square(3, 2);
    for (x, filters, kernel, op) in [
        ((3, 4, 16, 16), 5, 3, op(1, Activation::Relu, HALVE)),
        ((2, 1, 13, 11), 17, 3, op(1, Activation::LeakyRelu, HALVE)),
        ((1, 20, 7, 30), 3, 3, op(1, Activation::Tanh, HALVE)),
        ((2, 3, 25, 17), 33, 4, op(2, Activation::Elu, HALVE)),
        ((2, 3, 9, 9), 4, 3, op(1, Activation::Sigmoid, overlapping)),
        ((2, 3, 5, 5), 4, 5, op(1, Activation::Linear, HALVE)),
    ] {
        let inputs = inputs(device, x, filters, kernel);
        let two = |x, p: &[_]| max_pool2d(conv2d(x, &p[0], &p[1], op.conv, BOTH), op.pool);
        let one = |x, p: &[_]| conv_pool2d(x, &p[0], &p[1], op, BOTH);
        let count = {
            let y = max_pool2d(
                conv2d(inputs[0].clone(), &inputs[1], &inputs[2], op.conv, BOTH),
                op.pool,
            );
            crate::to_host(&y).len()
        };
        let coefficients = noise(count, 4);
        let (expected, gradients) = backward(&inputs, &coefficients, two);
        let (found, found_gradients) = backward(&inputs, &coefficients, one);
        for (found, expected) in
            std::iter::once((found, expected)).chain(found_gradients.into_iter().zip(gradients))
        {
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                let error = (found - expected).abs();
                assert!(
                    error < 2e-5 * expected.abs().max(1.0),
                    "{found} is not {expected}"
                );
            }
        }
    }
}

fn nan_is_the_maximum<B: Backend>(device: &B) {
    let mut inputs = inputs(device, (1, 1, 8, 8), 1, 3);
    let mut values = crate::to_host(&inputs[0]);
    values[0] = f32::NAN;
    inputs[0] = crate::from_host(device, values, (1, 1, 8, 8));
    let op = op(1, Activation::Relu, HALVE);
    let y = conv_pool2d(inputs[0].clone(), &inputs[1], &inputs[2], op, BOTH);
    assert!(crate::to_host(&y)[0].is_nan());
}

fn agrees_with_the_definition<B: Backend>(device: &B, bound: f64) {
    let overlapping = Pool2d::square(3, 2);
    for (x, filters, kernel, op) in [
        ((2, 3, 9, 7), 5, 3, op(1, Activation::Relu, HALVE)),
        ((1, 1, 6, 11), 1, 2, op(1, Activation::Tanh, HALVE)),
        ((2, 21, 13, 10), 70, 4, op(2, Activation::LeakyRelu, HALVE)),
        ((3, 2, 12, 7), 9, 5, op(1, Activation::Elu, overlapping)),
        ((1, 128, 8, 9), 128, 3, op(1, Activation::Relu, HALVE)),
    ] {
        let weight = (filters, x.1, kernel, kernel);
        let ConvPool2d { conv, pool } = op;
        let windows = conv.output_size([x.2, x.3], [kernel; 2]).expect("fits");
        let definition = Definition {
            sums: (x.0, filters, windows[0], windows[1]),
            products: &|product| convolution(x, weight, conv, product),
            activation: conv.activation,
            pool: Some(pool),
        };
        let inputs = inputs(device, x, filters, kernel);
        definition.agrees(&inputs, bound, |x, p| {
            conv_pool2d(x, &p[0], &p[1], op, BOTH)
        });
    }
}

/// Winograd's transforms lose a digit in sums over many channels.
#[test]
fn the_cpu_agrees_with_the_definition() {
    agrees_with_the_definition(&Cpu::default(), 1e-5);
}

#[cfg(feature = "cuda")]
#[test]
fn a_gpu_agrees_with_the_definition() {
    on_gpu_within_bounds(agrees_with_the_definition);
}

fn results<B: Backend>(device: &B) -> Vec<Vec<f32>> {
    let inputs = inputs(device, (20, 8, 24, 24), 16, 3);
    let op = op(1, Activation::Relu, HALVE);
    let run = |x, p: &[_]| conv_pool2d(x, &p[0], &p[1], op, BOTH);
    let (y, mut all) = backward(&inputs, &noise(20 * 16 * 144, 4), run);
    all.push(y);
    all
}

#[test]
fn threads_do_not_change_a_bit() {
    any_threads(|| results(&Cpu::default()));
}

fn the_same_bits_twice<B: Backend>(device: &B) {
    twice(|| results(device));
}
