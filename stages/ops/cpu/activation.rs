//! Activation functions on slices, alone and together with a layer's bias.

use rayon::prelude::*;

use super::{pieces, vectorized};
use crate::{Activation, LEAKY_SLOPE, Nchw};

/// Computes `to` = `function`(`from` + `bias`) for every value.
#[inline(always)]
pub(crate) fn add_bias(function: Activation, bias: f32, from: &[f32], to: &mut [f32]) {
    #[inline(always)]
    fn each(from: &[f32], to: &mut [f32], f: impl Fn(f32) -> f32) {
        to.iter_mut()
            .zip(from)
            .for_each(|(to, &from)| *to = f(from));
    }
    match function {
        Activation::Linear => each(from, to, |x| x + bias),
        Activation::Relu => each(from, to, |x| relu(x + bias)),
        Activation::LeakyRelu => each(from, to, |x| leaky_relu(x + bias)),
        Activation::Elu => each(from, to, |x| elu(x + bias)),
        Activation::Sigmoid => each(from, to, |x| sigmoid(x + bias)),
        Activation::Tanh => each(from, to, |x| (x + bias).tanh()),
    }
}

/// In-place version of [`add_bias`].
#[inline(always)]
pub(crate) fn in_place(function: Activation, bias: f32, values: &mut [f32]) {
    #[inline(always)]
    fn each(values: &mut [f32], f: impl Fn(f32) -> f32) {
        values.iter_mut().for_each(|value| *value = f(*value));
    }
    match function {
        Activation::Linear => each(values, |x| x + bias),
        Activation::Relu => each(values, |x| relu(x + bias)),
        Activation::LeakyRelu => each(values, |x| leaky_relu(x + bias)),
        Activation::Elu => each(values, |x| elu(x + bias)),
        Activation::Sigmoid => each(values, |x| sigmoid(x + bias)),
        Activation::Tanh => each(values, |x| (x + bias).tanh()),
    }
}

/// Turns the gradient of a function's output into that of its input, in place: multiplies it by the function's
/// derivative, which is computed from the output.
#[inline(always)]
pub(crate) fn chain(function: Activation, output: &[f32], gradient: &mut [f32]) {
    #[inline(always)]
    fn each(output: &[f32], gradient: &mut [f32], derivative: impl Fn(f32) -> f32) {
        gradient
            .iter_mut()
            .zip(output)
            .for_each(|(gradient, &output)| *gradient *= derivative(output));
    }
    match function {
        Activation::Linear => {}
        Activation::Relu => each(output, gradient, |y| if y > 0.0 { 1.0 } else { 0.0 }),
        Activation::LeakyRelu => each(
            output,
            gradient,
            |y| if y > 0.0 { 1.0 } else { LEAKY_SLOPE },
        ),
        Activation::Elu => each(output, gradient, |y| if y > 0.0 { 1.0 } else { y + 1.0 }),
        Activation::Sigmoid => each(output, gradient, |y| y * (1.0 - y)),
        Activation::Tanh => each(output, gradient, |y| 1.0 - y * y),
    }
}

/// Turns the gradient of a layer's output into the gradient of the values before its activation, in place.
/// Returns the gradient of the bias: the sum over images, rows and columns.
pub(crate) fn before_activation(
    function: Activation,
    output: &[f32],
    gradient: &mut [f32],
    (_, channels, height, width): Nchw,
) -> Vec<f32> {
    let size = height * width;
    let images = gradient
        .par_chunks_mut(channels * size)
        .zip(output.par_chunks(channels * size))
        .with_min_len(pieces::at_least(channels * size));
    let sums: Vec<Vec<f32>> = images
        .map(|(gradient, output)| {
            let channels = gradient
                .chunks_exact_mut(size)
                .zip(output.chunks_exact(size));
            let sum = |(gradient, output): (&mut [f32], &[f32])| {
                vectorized(|| chain(function, output, gradient));
                pieces::sum(gradient)
            };
            channels.map(sum).collect()
        })
        .collect();
    let mut bias = vec![0.0; channels];
    for image in sums {
        bias.iter_mut()
            .zip(image)
            .for_each(|(bias, sum)| *bias += sum);
    }
    bias
}

#[inline(always)]
fn relu(x: f32) -> f32 {
    // `max` would turn NaN into zero.
    if x < 0.0 { 0.0 } else { x }
}

#[inline(always)]
fn leaky_relu(x: f32) -> f32 {
    if x < 0.0 { LEAKY_SLOPE * x } else { x }
}

#[inline(always)]
fn elu(x: f32) -> f32 {
    if x < 0.0 { x.exp_m1() } else { x }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
