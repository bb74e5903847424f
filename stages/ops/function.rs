//! Activation functions, which layers apply to their output.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Factor that [`Activation::LeakyRelu`] applies to negative values.
pub const LEAKY_SLOPE: f32 = 0.2;

/// A function applied to every value.
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
    /// min(max(0, x), 6); its derivative at 0 and at 6 is 0.
    Relu6,
    /// relu6(x + 3) / 6, a sigmoid of three lines (Howard et al., 2019, "Searching for MobileNetV3"). Its derivative
    /// at −3 and at 3 is 0.
    HardSigmoid,
    /// x · sigmoid(x), also called swish (Ramachandran, Zoph and Le, 2017, "Searching for activation functions").
    Silu,
    /// x · Φ(x), where Φ is the distribution function of the standard normal distribution, (1 + erf(x / √2)) / 2
    /// (Hendrycks and Gimpel, 2016, "Gaussian error linear units"). This is the exact form, as `nn.GELU()` of PyTorch.
    /// The approximation with tanh, `approximate="tanh"` there, differs by up to 0.0005.
    Gelu,
    /// x · hard_sigmoid(x) (Howard et al., 2019). Its derivative at −3 is 0, and at 3 it is 1.
    HardSwish,
}

impl Activation {
    /// Returns whether the activation can be part of a layer with weights.
    ///
    /// Such a layer keeps only its output for the backward pass, so the derivative must follow from the output.
    /// The other functions are not monotonic, so different inputs give the same output;
    /// [`activation`](crate::activation()) applies them as an operation of their own, which keeps its input.
    pub fn is_fusible(self) -> bool {
        match self {
            Self::Linear
            | Self::Relu
            | Self::LeakyRelu
            | Self::Elu
            | Self::Sigmoid
            | Self::Tanh
            | Self::Relu6
            | Self::HardSigmoid => true,
            Self::Silu | Self::Gelu | Self::HardSwish => false,
        }
    }
}
