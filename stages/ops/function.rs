//! Activation functions, which layers apply to their output.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Factor that [`Activation::LeakyRelu`] applies to negative values.
pub const LEAKY_SLOPE: f32 = 0.2;

/// A function applied to every value.
// Each derivative can be computed from the output alone, so a layer keeps only its output for the backward
// pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Identity: x.
    Linear,
    /// max(0, x); its derivative at 0 is 0.
    Relu,
    /// x, or 0.2 x if x < 0.
    LeakyRelu,
    /// x, or eˣ − 1 if x < 0.
    Elu,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ).
    Tanh,
}
