//! A layer as it is declared in a pipeline.

mod spelling;

use contract::bare_name;
use ops::Activation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Transposed convolution, bias and activation.
    ConvTranspose(ConvTranspose),
    /// The largest value of each window.
    MaxPool(Pool),
    /// The mean of each window.
    AvgPool(Pool),
    /// The mean of each channel, as a 1×1 image.
    GlobalAvgPool {},
    /// Normalization of each channel, with statistics of the batch during training. Afterwards, `train-cnn` and
    /// `retrain` use those of `batch_norm_statistics`, and `train-gan` those of generated images.
    BatchNorm(Norm),
    /// Sets this share of the values to zero during training.
    Dropout(#[schemars(range(min = 0), extend("exclusiveMaximum" = 1))] f32),
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
}

/// Number of zeros by which an image is extended on each side (for `conv_transpose`: number of pixels that are
/// cut off the output on each side).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Padding {
    Named(NamedPadding),
    /// This much padding on each side; must be less than the kernel's size.
    Pixels(#[schemars(extend("x-unit" = "pixels"))] usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum NamedPadding {
    /// Enough padding that the output's size is the input's size divided by the stride, rounded up (for
    /// `conv_transpose`: multiplied by the stride).
    Same,
    /// No padding.
    Valid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Conv {
    /// Number of output channels.
    #[schemars(range(min = 1, max = 1 << 20))]
    pub filters: usize,
    /// Side of the square kernel.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 1 << 20), extend("x-unit" = "pixels"))]
    pub kernel: usize,
    /// Distance between neighbouring positions of the kernel.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1 << 20), extend("x-unit" = "pixels"))]
    pub stride: usize,
    /// Number of zeros by which the image is extended on each side.
    #[serde(default = "same")]
    pub padding: Padding,
    /// Activation of the output.
    #[serde(default = "relu")]
    pub activation: Activation,
    /// Adds `l1 · Σ|w|` over the kernel to the loss.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub l1: f32,
    /// Adds `l2 · Σw²` over the kernel to the loss.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub l2: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct ConvTranspose {
    /// Number of output channels.
    #[schemars(range(min = 1, max = 1 << 20))]
    pub filters: usize,
    /// Side of the square kernel.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 1 << 20), extend("x-unit" = "pixels"))]
    pub kernel: usize,
    /// Ratio of the output's size to the input's, with `same` padding.
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 1 << 20))]
    pub stride: usize,
    /// Number of pixels that are cut off the output on each side.
    #[serde(default = "same")]
    pub padding: Padding,
    /// Activation of the output.
    #[serde(default = "relu")]
    pub activation: Activation,
}

/// Pooling windows. `max_pool: 2` is short for `{ kernel: 2, stride: 2 }`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(from = "WrittenPool")]
pub struct Pool {
    pub kernel: usize,
    pub stride: usize,
}

/// Pooling windows as they are written.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(
    dead_code,
    reason = "exists only for its schema: serde's untagged enums lose the places of errors"
)]
enum WrittenPool {
    /// The kernel, which is also the stride.
    Kernel(#[schemars(range(min = 1, max = 1 << 20), extend("x-unit" = "pixels"))] usize),
    Full(FullPool),
}

/// A kernel with a stride of its own.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct FullPool {
    /// Side of the square window.
    #[schemars(range(min = 1, max = 1 << 20), extend("x-unit" = "pixels"))]
    kernel: usize,
    /// Distance between neighbouring windows. By default, the kernel's size.
    #[schemars(range(min = 1, max = 1 << 20), extend("x-unit" = "pixels"))]
    stride: Option<usize>,
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

fn one() -> usize {
    1
}
fn two() -> usize {
    2
}
fn three() -> usize {
    3
}
fn four() -> usize {
    4
}
fn same() -> Padding {
    Padding::Named(NamedPadding::Same)
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

impl Layer {
    /// Returns the layer's name as it is written in a pipeline.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conv(_) => "conv",
            Self::ConvTranspose(_) => "conv_transpose",
            Self::MaxPool(_) => "max_pool",
            Self::AvgPool(_) => "avg_pool",
            Self::GlobalAvgPool {} => "global_avg_pool",
            Self::BatchNorm(_) => "batch_norm",
            Self::Dropout(_) => "dropout",
            Self::Flatten {} => "flatten",
            Self::Dense(_) => "dense",
            Self::Reshape(_) => "reshape",
            Self::Upsample(_) => "upsample",
            Self::Activation(_) => "activation",
        }
    }

    /// Returns the activation of the layer's output; `None` for layers without one.
    pub fn activation(&self) -> Option<Activation> {
        match self {
            Self::Conv(conv) => Some(conv.activation),
            Self::ConvTranspose(conv) => Some(conv.activation),
            Self::Dense(dense) => Some(dense.activation),
            Self::Activation(activation) => Some(*activation),
            Self::MaxPool(_)
            | Self::AvgPool(_)
            | Self::GlobalAvgPool {}
            | Self::BatchNorm(_)
            | Self::Dropout(_)
            | Self::Flatten {}
            | Self::Reshape(_)
            | Self::Upsample(_) => None,
        }
    }

    /// Returns the activation of a layer with weights if it is computed after the layer, not with it.
    pub(super) fn separate_activation(&self) -> Option<Activation> {
        match self {
            Self::Activation(_) => None,
            layer => layer
                .activation()
                .filter(|activation| !activation.is_fusible()),
        }
    }

    /// Returns the activation of the layer's output, to be changed.
    pub(super) fn activation_mut(&mut self) -> Option<&mut Activation> {
        match self {
            Self::Conv(conv) => Some(&mut conv.activation),
            Self::ConvTranspose(conv) => Some(&mut conv.activation),
            Self::Dense(dense) => Some(&mut dense.activation),
            Self::Activation(activation) => Some(activation),
            Self::MaxPool(_)
            | Self::AvgPool(_)
            | Self::GlobalAvgPool {}
            | Self::BatchNorm(_)
            | Self::Dropout(_)
            | Self::Flatten {}
            | Self::Reshape(_)
            | Self::Upsample(_) => None,
        }
    }

    /// Returns whether an image's output in training depends on the other images of its batch.
    pub fn mixes_batch(&self) -> bool {
        match self {
            Self::BatchNorm(_) => true,
            Self::Conv(_)
            | Self::ConvTranspose(_)
            | Self::MaxPool(_)
            | Self::AvgPool(_)
            | Self::GlobalAvgPool {}
            | Self::Dropout(_)
            | Self::Flatten {}
            | Self::Dense(_)
            | Self::Reshape(_)
            | Self::Upsample(_)
            | Self::Activation(_) => false,
        }
    }
}
