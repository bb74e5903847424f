//! Activation functions as an operation of their own, separate from any layer.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::tensor::Tape;

use super::map::map;
use super::{Activation, Backend, Tensor4};

/// Applies a function to every value. NaN stays NaN.
pub fn activation<B: Backend, T: Tape<f32, B>>(
    x: Tensor4<B, T>,
    function: Activation,
) -> Tensor4<B, T> {
    if function == Activation::Linear {
        x
    } else {
        map("activation", function, x)
    }
}
