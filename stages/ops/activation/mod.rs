//! Activation functions.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::tensor::Tape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::map::map;
use super::{Backend, Tensor4};

pub(super) use cpu::{add_bias, before_activation, in_place};

/// What [`Activation::LeakyRelu`] multiplies negative values by.
pub const LEAKY_SLOPE: f32 = 0.2;

/// A function applied to every value.
// The derivative of each is a function of its own output, so a layer keeps nothing but its output for
// the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x.
    Linear,
    /// max(0, x); its derivative at 0 is 0.
    Relu,
    /// x, but 0.2 x below 0.
    LeakyRelu,
    /// x, but eˣ − 1 below 0.
    Elu,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ).
    Tanh,
}

/// Applies a function to every value. Not a number in, not a number out.
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
