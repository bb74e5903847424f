//! Layers that contain layers: chains of layers that all take the same input, and whose outputs are joined.

use contract::Sides;
use ops::Activation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::windows::{Conv, DepthwiseConv, one, same, three};
use super::{Dense, Layer, Norm, linear, relu};
use crate::nets::Feature;

/// Layers whose output is added to their input. `residual: [ … ]` is short for `{ layers: [ … ] }`.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
#[schemars(from = "WrittenResidual")]
pub struct Residual {
    pub layers: Vec<Layer>,
    pub shortcut: Vec<Layer>,
}

/// A residual layer as it is written.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(
    dead_code,
    reason = "exists only for its schema: serde's untagged enums lose the places of errors"
)]
enum WrittenResidual {
    /// The layers whose output is added to their input.
    Layers(Vec<Layer>),
    Full(FullResidual),
}

/// Layers with layers on the other branch, too.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct FullResidual {
    /// The layers of the one branch.
    pub(super) layers: Vec<Layer>,
    /// The layers of the other branch, which give the input the shape of the output. Without any, the input itself is
    /// added.
    #[serde(default)]
    pub(super) shortcut: Vec<Layer>,
}

/// Multiplies each channel by a factor between 0 and 1 that two dense layers compute from the means of all channels
/// (Hu et al., 2018).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct SqueezeExcite {
    /// Number of outputs of the first dense layer; usually a quarter to a sixteenth of the channels.
    #[schemars(range(min = 1, max = 1 << 20))]
    pub units: usize,
    /// Activation of the first dense layer.
    #[serde(default = "relu")]
    pub activation: Activation,
    /// Activation of the second dense layer, whose outputs are the factors.
    #[serde(default = "sigmoid")]
    pub gate: Activation,
}

/// A 1×1 convolution to `expansion` times as many channels, a convolution of each channel by itself, and a 1×1
/// convolution to `filters` channels, each with a `batch_norm` and the first two with an activation (Sandler et al.,
/// 2018; `MBConv` without squeeze and excitation in EfficientNet). Where input and output have the same shape, the input
/// is added to the output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct InvertedResidual {
    /// Number of output channels.
    #[schemars(range(min = 1, max = 1 << 20))]
    pub filters: usize,
    /// Number of channels between the convolutions for each input channel. With 1, there is no first convolution.
    #[serde(default = "six")]
    #[schemars(range(min = 1, max = 1 << 20))]
    pub expansion: usize,
    /// Size of the kernel of the second convolution.
    #[serde(default = "three")]
    pub kernel: Sides,
    /// Distance between neighbouring positions of that kernel.
    #[serde(default = "one")]
    pub stride: Sides,
    /// Activation after the first and after the second convolution.
    #[serde(default = "relu6")]
    pub activation: Activation,
    /// The three `batch_norm`s.
    #[serde(default)]
    pub batch_norm: Norm,
}

fn six() -> usize {
    6
}
fn relu6() -> Activation {
    Activation::Relu6
}

fn sigmoid() -> Activation {
    Activation::Sigmoid
}

/// Layers that are computed one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// The name of their branch with a dot, as part of the names of their tensors: `shortcut.`; may be empty.
    pub name: String,
    pub layers: Vec<Layer>,
}

/// The way in which the outputs of chains become one output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// There is only one.
    Only,
    /// Their sum.
    Add,
    /// Their channels, one after the other.
    Concat,
    /// The input, with each channel multiplied by the channel of the only chain's output.
    Scale,
}

/// The layers inside of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Inner {
    pub join: Join,
    pub chains: Vec<Chain>,
}

impl Layer {
    /// Returns the layers inside of this one, if it has `input`. `None` for layers without any.
    pub fn inner(&self, input: Feature) -> Option<Inner> {
        let only = |join, layers: Vec<Layer>| Inner {
            join,
            chains: vec![chain("", &layers)],
        };
        Some(match self {
            Self::SeparableConv(conv) => only(Join::Only, conv.layers()),
            Self::InvertedResidual(block) => {
                let layers = chain("", &block.layers(input.channels));
                match block.adds_input(input.channels) {
                    true => Inner {
                        join: Join::Add,
                        chains: vec![layers, chain("shortcut.", &[])],
                    },
                    false => Inner {
                        join: Join::Only,
                        chains: vec![layers],
                    },
                }
            }
            Self::SqueezeExcite(gate) => only(Join::Scale, gate.layers(input.channels)),
            Self::Residual(residual) => Inner {
                join: Join::Add,
                chains: vec![
                    chain("", &residual.layers),
                    chain("shortcut.", &residual.shortcut),
                ],
            },
            Self::Concat(branches) => {
                let branches = branches.iter().enumerate();
                let chains = branches.map(|(branch, layers)| chain(&format!("{branch}."), layers));
                Inner {
                    join: Join::Concat,
                    chains: chains.collect(),
                }
            }
            _ => return None,
        })
    }

    /// Returns the lists of layers inside of this one that are written in the pipeline.
    pub fn written_chains(&self) -> Vec<&[Layer]> {
        match self {
            Self::Residual(residual) => vec![&residual.layers, &residual.shortcut],
            Self::Concat(branches) => branches.iter().map(Vec::as_slice).collect(),
            _ => Vec::new(),
        }
    }
}

fn chain(name: &str, layers: &[Layer]) -> Chain {
    Chain {
        name: name.to_owned(),
        layers: layers.to_vec(),
    }
}

impl InvertedResidual {
    fn adds_input(&self, channels: usize) -> bool {
        self.stride == Sides::ONE && self.filters == channels
    }

    /// Returns the number of channels between the convolutions for an input of `channels`.
    pub fn inner_channels(&self, channels: usize) -> usize {
        self.expansion.saturating_mul(channels)
    }

    fn layers(&self, channels: usize) -> Vec<Layer> {
        let inner = self.inner_channels(channels);
        let pointwise = |filters| {
            Layer::Conv(Conv {
                filters,
                kernel: Sides::ONE,
                stride: Sides::ONE,
                padding: same(),
                dilation: Sides::ONE,
                groups: 1,
                bias: false,
                activation: linear(),
                l1: 0.0,
                l2: 0.0,
            })
        };
        let depthwise = DepthwiseConv {
            multiplier: 1,
            kernel: self.kernel,
            stride: self.stride,
            padding: same(),
            dilation: Sides::ONE,
            bias: false,
            activation: linear(),
            l1: 0.0,
            l2: 0.0,
        };
        let norm = || Layer::BatchNorm(self.batch_norm.clone());
        let mut layers = Vec::new();
        if self.expansion > 1 {
            layers.extend([pointwise(inner), norm(), Layer::Activation(self.activation)]);
        }
        layers.extend([
            Layer::DepthwiseConv(depthwise),
            norm(),
            Layer::Activation(self.activation),
            pointwise(self.filters),
            norm(),
        ]);
        layers
    }
}

impl SqueezeExcite {
    /// Returns the layers that compute a factor for each of `channels`.
    fn layers(&self, channels: usize) -> Vec<Layer> {
        let dense = |units, activation| {
            Layer::Dense(Dense {
                units,
                activation,
                l1: 0.0,
                l2: 0.0,
            })
        };
        vec![
            Layer::GlobalAvgPool {},
            dense(self.units, self.activation),
            dense(channels, self.gate),
        ]
    }
}
