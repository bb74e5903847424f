//! A layer as it is declared in a pipeline.

mod branches;
mod spelling;
mod windows;

use contract::bare_name;
use ops::Activation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use branches::{Inner, Join};
use branches::{InvertedResidual, Residual, SqueezeExcite};
pub use windows::{Conv, Pool};
use windows::{ConvTranspose, DepthwiseConv, SeparableConv};
pub(super) use windows::{NamedPadding, Padding};

/// One layer of a network. In YAML, a layer with parameters is a map with one key (`conv: { filters: 32 }`).
/// A layer whose defaults suffice can be written as its bare name (`flatten`).
// `remote = "Self"` turns the derived code into inherent functions, so that the trait's `deserialize` below
// can accept the bare name too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields, remote = "Self")]
#[schemars(!remote, transform = bare_name::allow)]
pub enum Layer {
    /// Convolution, bias and activation.
    Conv(Conv),
    /// Convolution of each channel by itself, bias and activation.
    DepthwiseConv(DepthwiseConv),
    /// Convolution of each channel by itself, 1×1 convolution of all channels, bias and activation.
    SeparableConv(SeparableConv),
    /// Transposed convolution, bias and activation.
    ConvTranspose(ConvTranspose),
    /// The largest value of each window.
    MaxPool(Pool),
    /// The mean of each window.
    AvgPool(Pool),
    /// The largest value of each channel, as a 1×1 image.
    GlobalMaxPool {},
    /// The mean of each channel, as a 1×1 image.
    GlobalAvgPool {},
    /// Normalization of each channel, with statistics of the batch during training. Afterwards, `train-cnn` and
    /// `retrain` use those of `batch_norm_statistics`, and `train-gan` those of generated images.
    BatchNorm(Norm),
    /// Normalization of each image over all of its channels and pixels, with a scale and a shift for each channel.
    LayerNorm(LayerNorm),
    /// Normalization of each image over groups of its channels, with a scale and a shift for each channel (Wu and He,
    /// 2018).
    GroupNorm(GroupNorm),
    /// Sets this share of the values to zero during training.
    Dropout(#[schemars(range(min = 0), extend("exclusiveMaximum" = 1))] f32),
    /// Sets all values of this share of the channels to zero during training (Tompson et al., 2015).
    SpatialDropout(#[schemars(range(min = 0), extend("exclusiveMaximum" = 1))] f32),
    /// Turns an image into features.
    Flatten {},
    /// A fully connected layer. Needs flattened input.
    Dense(Dense),
    /// Turns features into an image.
    Reshape(Reshape),
    /// Enlarges an image by a whole factor, by repeating pixels.
    Upsample(#[schemars(range(min = 1, max = 64))] usize),
    /// An activation as a layer of its own.
    Activation(Activation),
    /// Adds the output of layers to their input.
    Residual(Residual),
    /// Computes several lists of layers from the same input, and puts the channels of their outputs one after the
    /// other. An empty list stands for the input itself.
    Concat(Vec<Vec<Layer>>),
    /// Squeeze and excitation.
    SqueezeExcite(SqueezeExcite),
    /// The block of MobileNetV2 and EfficientNet.
    InvertedResidual(InvertedResidual),
    /// Subtracts constants from each channel, and divides it by constants.
    Normalize(Normalize),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Norm {
    /// Share of the old running statistics that is kept at each batch.
    #[serde(default = "momentum")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub momentum: f32,
    /// Added to the variance to avoid a division by zero.
    #[serde(default = "epsilon")]
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub epsilon: f32,
}

impl Default for Norm {
    fn default() -> Self {
        Self {
            momentum: momentum(),
            epsilon: epsilon(),
        }
    }
}

/// Constants for the channels of an image: one for all, or one for each. As the first layer, it gives images the values
/// for which pre-trained weights were made; before it, they are between 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Normalize {
    /// Subtracted from the values.
    #[schemars(length(min = 1), inner(range(min = -1e6, max = 1e6)))]
    pub mean: Vec<f32>,
    /// Divides the values after that.
    #[schemars(length(min = 1), inner(range(min = 1e-6, max = 1e6)))]
    pub deviation: Vec<f32>,
}

impl Normalize {
    /// Returns mean and deviation of each of `channels`; `None` if their number is another one.
    pub fn constants(&self, channels: usize) -> Option<[Vec<f32>; 2]> {
        let of_each = |constants: &[f32]| match constants {
            [one] => Some(vec![*one; channels]),
            each if each.len() == channels => Some(each.to_vec()),
            _ => None,
        };
        Some([of_each(&self.mean)?, of_each(&self.deviation)?])
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct LayerNorm {
    /// Added to the variance to avoid a division by zero.
    #[serde(default = "small_epsilon")]
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub epsilon: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct GroupNorm {
    /// Number of groups of channels; the number of channels must be a multiple of it.
    #[schemars(range(min = 1, max = 1 << 20))]
    pub groups: usize,
    /// Added to the variance to avoid a division by zero.
    #[serde(default = "small_epsilon")]
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub epsilon: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Dense {
    /// Number of output features.
    #[schemars(range(min = 1, max = 1 << 20))]
    pub units: usize,
    /// Activation of the output.
    #[serde(default = "linear")]
    pub activation: Activation,
    /// Adds `l1 · Σ|w|` over the weights to the loss.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub l1: f32,
    /// Adds `l2 · Σw²` over the weights to the loss.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub l2: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Reshape {
    /// Number of channels of the image.
    #[schemars(range(min = 1, max = 1 << 20))]
    pub channels: usize,
    /// Height of the image.
    #[schemars(range(min = 1, max = 1 << 20), extend("x-unit" = "pixels"))]
    pub height: usize,
    /// Width of the image.
    #[schemars(range(min = 1, max = 1 << 20), extend("x-unit" = "pixels"))]
    pub width: usize,
}

fn relu() -> Activation {
    Activation::Relu
}
fn linear() -> Activation {
    Activation::Linear
}
fn momentum() -> f32 {
    0.9
}
fn epsilon() -> f32 {
    1e-3
}
fn small_epsilon() -> f32 {
    1e-5
}

impl Layer {
    /// Returns the layer's name as it is written in a pipeline.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conv(_) => "conv",
            Self::DepthwiseConv(_) => "depthwise_conv",
            Self::SeparableConv(_) => "separable_conv",
            Self::ConvTranspose(_) => "conv_transpose",
            Self::MaxPool(_) => "max_pool",
            Self::AvgPool(_) => "avg_pool",
            Self::GlobalMaxPool {} => "global_max_pool",
            Self::GlobalAvgPool {} => "global_avg_pool",
            Self::BatchNorm(_) => "batch_norm",
            Self::LayerNorm(_) => "layer_norm",
            Self::GroupNorm(_) => "group_norm",
            Self::Dropout(_) => "dropout",
            Self::SpatialDropout(_) => "spatial_dropout",
            Self::Flatten {} => "flatten",
            Self::Dense(_) => "dense",
            Self::Reshape(_) => "reshape",
            Self::Upsample(_) => "upsample",
            Self::Activation(_) => "activation",
            Self::Residual(_) => "residual",
            Self::Concat(_) => "concat",
            Self::SqueezeExcite(_) => "squeeze_excite",
            Self::InvertedResidual(_) => "inverted_residual",
            Self::Normalize(_) => "normalize",
        }
    }

    /// Returns the activation of the layer's output; `None` for layers without one.
    pub fn activation(&self) -> Option<Activation> {
        // One list of layers serves both.
        self.clone().activation_mut().copied()
    }

    /// Returns the activation of a layer with weights if it is computed after the layer, not with it. The activation of a
    /// layer that contains layers belongs to one of them.
    pub(super) fn separate_activation(&self) -> Option<Activation> {
        match self {
            Self::Activation(_) | Self::SeparableConv(_) => None,
            layer => layer
                .activation()
                .filter(|activation| !activation.is_fusible()),
        }
    }

    /// Returns the activation of the layer's output, to be changed.
    pub(super) fn activation_mut(&mut self) -> Option<&mut Activation> {
        match self {
            Self::Conv(conv) => Some(&mut conv.activation),
            Self::DepthwiseConv(conv) => Some(&mut conv.activation),
            Self::SeparableConv(conv) => Some(&mut conv.activation),
            Self::ConvTranspose(conv) => Some(&mut conv.activation),
            Self::Dense(dense) => Some(&mut dense.activation),
            Self::Activation(activation) => Some(activation),
            Self::MaxPool(_)
            | Self::AvgPool(_)
            | Self::GlobalMaxPool {}
            | Self::GlobalAvgPool {}
            | Self::BatchNorm(_)
            | Self::LayerNorm(_)
            | Self::GroupNorm(_)
            | Self::Dropout(_)
            | Self::SpatialDropout(_)
            | Self::Flatten {}
            | Self::Reshape(_)
            | Self::Upsample(_)
            | Self::Residual(_)
            | Self::Concat(_)
            | Self::SqueezeExcite(_)
            | Self::InvertedResidual(_)
            | Self::Normalize(_) => None,
        }
    }

    /// Returns `true` if `is_wanted` holds for this layer, or for a layer inside of it.
    pub fn has(&self, is_wanted: fn(&Self) -> bool) -> bool {
        is_wanted(self)
            || self
                .written_chains()
                .into_iter()
                .flatten()
                .any(|layer| layer.has(is_wanted))
    }

    /// Returns whether an image's output in training depends on the other images of its batch.
    pub fn mixes_batch(&self) -> bool {
        self.has(|layer| matches!(layer, Self::BatchNorm(_) | Self::InvertedResidual(_)))
    }

    /// Returns whether the layer is a convolution, or contains one.
    pub fn convolves(&self) -> bool {
        self.has(|layer| {
            matches!(
                layer,
                Self::Conv(_)
                    | Self::DepthwiseConv(_)
                    | Self::SeparableConv(_)
                    | Self::ConvTranspose(_)
                    | Self::InvertedResidual(_)
            )
        })
    }
}
