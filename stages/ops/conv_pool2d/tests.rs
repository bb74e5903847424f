use dfdx::tensor::Cpu;

use super::{ConvPool2d, conv_pool2d};
use crate::ops::check::{any_threads, backward, noise, noisy};
use crate::ops::{Activation, Conv2d, Pool2d, Tensor4, Wanted, conv2d, max_pool2d};

const BOTH: Wanted = Wanted {
    input: true,
    parameters: true,
};

const HALVE: Pool2d = Pool2d {
    kernel: 2,
    stride: 2,
};

fn op(stride: usize, activation: Activation, pool: Pool2d) -> ConvPool2d {
    let conv = Conv2d {
        stride,
        padding: 1,
        activation,
    };
    ConvPool2d { conv, pool }
}

fn inputs(x: (usize, usize, usize, usize), filters: usize, kernel: usize) -> [Tensor4<Cpu>; 3] {
    let cpu = Cpu::default();
    [
        noisy(&cpu, x, 1),
        noisy(&cpu, (filters, x.1, kernel, kernel), 2),
        noisy(&cpu, (1, filters, 1, 1), 3),
    ]
}

#[test]
fn is_the_two_one_after_the_other() {
    let overlapping = Pool2d {
        kernel: 3,
        stride: 2,
    };
    for (x, filters, kernel, op) in [
        ((3, 4, 16, 16), 5, 3, op(1, Activation::Relu, HALVE)),
        ((2, 1, 13, 11), 17, 3, op(1, Activation::LeakyRelu, HALVE)),
        ((1, 20, 7, 30), 3, 3, op(1, Activation::Tanh, HALVE)),
        ((2, 3, 25, 17), 33, 4, op(2, Activation::Elu, HALVE)),
        ((2, 3, 9, 9), 4, 3, op(1, Activation::Sigmoid, overlapping)),
        ((2, 3, 5, 5), 4, 5, op(1, Activation::Linear, HALVE)),
    ] {
        let inputs = inputs(x, filters, kernel);
        let two = |x, p: &[_]| max_pool2d(conv2d(x, &p[0], &p[1], op.conv, BOTH), op.pool);
        let one = |x, p: &[_]| conv_pool2d(x, &p[0], &p[1], op, BOTH);
        let count = {
            let y = max_pool2d(
                conv2d(inputs[0].clone(), &inputs[1], &inputs[2], op.conv, BOTH),
                op.pool,
            );
            crate::ops::to_host(&y).len()
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

#[test]
fn what_is_not_a_number_wins() {
    let mut inputs = inputs((1, 1, 8, 8), 1, 3);
    let mut values = crate::ops::to_host(&inputs[0]);
    values[0] = f32::NAN;
    inputs[0] = crate::ops::from_host(&Cpu::default(), values, (1, 1, 8, 8));
    let op = op(1, Activation::Relu, HALVE);
    let y = conv_pool2d(inputs[0].clone(), &inputs[1], &inputs[2], op, BOTH);
    assert!(crate::ops::to_host(&y)[0].is_nan());
}

#[test]
fn threads_do_not_change_a_bit() {
    any_threads(|| {
        let inputs = inputs((20, 8, 24, 24), 16, 3);
        let op = op(1, Activation::Relu, HALVE);
        let run = |x, p: &[_]| conv_pool2d(x, &p[0], &p[1], op, BOTH);
        let (y, mut all) = backward(&inputs, &noise(20 * 16 * 144, 4), run);
        all.push(y);
        all
    });
}
