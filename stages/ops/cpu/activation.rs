//! Activation functions on slices, alone and together with a layer's bias.

use rayon::prelude::*;

use super::{pieces, vectorized};
use crate::{Activation, LEAKY_SLOPE, Nchw};

/// Computes `to` = `function`(`from` + `bias`) for every value.
///
/// # Panics
/// If the function is not [fusible](Activation::is_fusible). This also applies to the other functions here.
#[inline(always)]
pub(crate) fn add_bias(function: Activation, bias: f32, from: &[f32], to: &mut [f32]) {
    match function {
        Activation::Linear => fill(from, to, |x| x + bias),
        Activation::Relu => fill(from, to, |x| relu(x + bias)),
        Activation::LeakyRelu => fill(from, to, |x| leaky_relu(x + bias)),
        Activation::Elu => fill(from, to, |x| elu(x + bias)),
        Activation::Sigmoid => fill(from, to, |x| sigmoid(x + bias)),
        Activation::Tanh => fill(from, to, |x| (x + bias).tanh()),
        Activation::Relu6 => fill(from, to, |x| relu6(x + bias)),
        Activation::HardSigmoid => fill(from, to, |x| hard_sigmoid(x + bias)),
        Activation::Silu | Activation::Gelu | Activation::HardSwish => not_fusible(function),
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
        Activation::Relu6 => each(values, |x| relu6(x + bias)),
        Activation::HardSigmoid => each(values, |x| hard_sigmoid(x + bias)),
        Activation::Silu | Activation::Gelu | Activation::HardSwish => not_fusible(function),
    }
}

/// Turns the gradient of a function's output into that of its input, in place: multiplies it by the function's
/// derivative, which is computed from the output.
#[inline(always)]
pub(crate) fn chain(function: Activation, output: &[f32], gradient: &mut [f32]) {
    match function {
        Activation::Linear => {}
        Activation::Relu => multiply(output, gradient, |y| if y > 0.0 { 1.0 } else { 0.0 }),
        Activation::LeakyRelu => {
            multiply(
                output,
                gradient,
                |y| if y > 0.0 { 1.0 } else { LEAKY_SLOPE },
            )
        }
        Activation::Elu => multiply(output, gradient, |y| if y > 0.0 { 1.0 } else { y + 1.0 }),
        Activation::Sigmoid => multiply(output, gradient, |y| y * (1.0 - y)),
        Activation::Tanh => multiply(output, gradient, |y| 1.0 - y * y),
        Activation::Relu6 => multiply(
            output,
            gradient,
            |y| {
                if y > 0.0 && y < 6.0 { 1.0 } else { 0.0 }
            },
        ),
        Activation::HardSigmoid => multiply(output, gradient, |y| {
            if y > 0.0 && y < 1.0 { 1.0 / 6.0 } else { 0.0 }
        }),
        Activation::Silu | Activation::Gelu | Activation::HardSwish => not_fusible(function),
    }
}

/// Computes `to` = `f`(`from`) for every value.
#[inline(always)]
pub(crate) fn fill(from: &[f32], to: &mut [f32], f: impl Fn(f32) -> f32) {
    to.iter_mut()
        .zip(from)
        .for_each(|(to, &from)| *to = f(from));
}

/// Multiplies every gradient by the derivative that follows from the value that was kept for it.
#[inline(always)]
pub(crate) fn multiply(kept: &[f32], gradient: &mut [f32], derivative: impl Fn(f32) -> f32) {
    gradient
        .iter_mut()
        .zip(kept)
        .for_each(|(gradient, &kept)| *gradient *= derivative(kept));
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

#[cold]
fn not_fusible(function: Activation) -> ! {
    panic!("{function:?} is an operation of its own, not a part of a layer")
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
fn relu6(x: f32) -> f32 {
    // `clamp` keeps NaN.
    x.clamp(0.0, 6.0)
}

#[inline(always)]
pub(crate) fn hard_sigmoid(x: f32) -> f32 {
    relu6(x + 3.0) / 6.0
}

#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
