//! Layers with a window that moves over the image: convolutions and pooling.

use contract::Sides;
use ops::Activation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Layer, linear, relu};

/// Number of zeros by which an image is extended on each side (for `conv_transpose`: number of pixels that are
/// cut off the output on each side).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Padding {
    Named(NamedPadding),
    /// This much padding on each side; must be less than the kernel's size.
    Pixels(#[schemars(extend("x-unit" = "pixels"))] usize),
    /// Padding at the top and at the bottom, and padding on the left and on the right (not for `conv_transpose`).
    Sides(#[schemars(extend("x-unit" = "pixels"))] [usize; 2]),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum NamedPadding {
    /// Enough padding that the output's size is the input's size divided by the stride, rounded up (for
    /// `conv_transpose`: multiplied by the stride). An odd number of rows or columns has one more at the bottom or on
    /// the right, as in Keras.
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
    /// Size of the kernel.
    #[serde(default = "three")]
    pub kernel: Sides,
    /// Distance between neighbouring positions of the kernel.
    #[serde(default = "one")]
    pub stride: Sides,
    /// Number of zeros by which the image is extended on each side.
    #[serde(default = "same")]
    pub padding: Padding,
    /// Distance between neighbouring pixels under the kernel.
    #[serde(default = "one", skip_serializing_if = "Sides::is_one")]
    #[schemars(extend("default" = 1))]
    pub dilation: Sides,
    /// Number of groups of channels. Each group of outputs depends only on the group of inputs in the same place.
    #[serde(default = "one_group", skip_serializing_if = "is_one")]
    #[schemars(range(min = 1, max = 1 << 20), extend("default" = 1))]
    pub groups: usize,
    /// `false` for no bias, which is not needed before a `batch_norm`.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    #[schemars(extend("default" = true))]
    pub bias: bool,
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
pub struct DepthwiseConv {
    /// Number of outputs for each channel.
    #[serde(default = "one_group")]
    #[schemars(range(min = 1, max = 1 << 20))]
    pub multiplier: usize,
    /// Size of the kernel.
    #[serde(default = "three")]
    pub kernel: Sides,
    /// Distance between neighbouring positions of the kernel.
    #[serde(default = "one")]
    pub stride: Sides,
    /// Number of zeros by which the image is extended on each side.
    #[serde(default = "same")]
    pub padding: Padding,
    /// Distance between neighbouring pixels under the kernel.
    #[serde(default = "one")]
    pub dilation: Sides,
    /// `false` for no bias, which is not needed before a `batch_norm`.
    #[serde(default = "yes")]
    pub bias: bool,
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

impl DepthwiseConv {
    /// Returns the same layer as a convolution with as many groups as there are channels.
    pub fn conv(&self, channels: usize) -> Conv {
        Conv {
            filters: self.multiplier.saturating_mul(channels),
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
            groups: channels,
            bias: self.bias,
            activation: self.activation,
            l1: self.l1,
            l2: self.l2,
        }
    }
}

/// A depthwise convolution without bias and activation, and a 1×1 convolution of its output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct SeparableConv {
    /// Number of output channels.
    #[schemars(range(min = 1, max = 1 << 20))]
    pub filters: usize,
    /// Size of the kernel of the depthwise convolution.
    #[serde(default = "three")]
    pub kernel: Sides,
    /// Distance between neighbouring positions of the kernel.
    #[serde(default = "one")]
    pub stride: Sides,
    /// Number of zeros by which the image is extended on each side.
    #[serde(default = "same")]
    pub padding: Padding,
    /// Distance between neighbouring pixels under the kernel.
    #[serde(default = "one")]
    pub dilation: Sides,
    /// `false` for no bias, which is not needed before a `batch_norm`.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Activation of the output.
    #[serde(default = "relu")]
    pub activation: Activation,
    /// Adds `l1 · Σ|w|` over both kernels to the loss.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub l1: f32,
    /// Adds `l2 · Σw²` over both kernels to the loss.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub l2: f32,
}

impl SeparableConv {
    /// Returns the two convolutions.
    pub fn layers(&self) -> Vec<Layer> {
        let depthwise = DepthwiseConv {
            multiplier: 1,
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
            bias: false,
            activation: linear(),
            l1: self.l1,
            l2: self.l2,
        };
        let pointwise = Conv {
            filters: self.filters,
            kernel: Sides::ONE,
            stride: Sides::ONE,
            padding: same(),
            dilation: Sides::ONE,
            groups: 1,
            bias: self.bias,
            activation: self.activation,
            l1: self.l1,
            l2: self.l2,
        };
        vec![Layer::DepthwiseConv(depthwise), Layer::Conv(pointwise)]
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct ConvTranspose {
    /// Number of output channels.
    #[schemars(range(min = 1, max = 1 << 20))]
    pub filters: usize,
    /// Side of the square kernel.
    #[serde(default = "four_pixels")]
    #[schemars(range(min = 1, max = 1 << 20), extend("x-unit" = "pixels"))]
    pub kernel: usize,
    /// Ratio of the output's size to the input's, with `same` padding.
    #[serde(default = "two_pixels")]
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
    pub kernel: Sides,
    pub stride: Sides,
}

impl Pool {
    /// Returns the windows of a kernel, next to each other unless there is a stride.
    pub(super) fn of(kernel: Sides, stride: Option<Sides>) -> Self {
        Self {
            kernel,
            stride: stride.unwrap_or(kernel),
        }
    }
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
    Kernel(Sides),
    Full(FullPool),
}

/// A kernel with a stride of its own.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct FullPool {
    /// Size of the window.
    pub(super) kernel: Sides,
    /// Distance between neighbouring windows. By default, the kernel's size.
    pub(super) stride: Option<Sides>,
}

pub(super) fn one() -> Sides {
    Sides::ONE
}
pub(super) fn three() -> Sides {
    Sides([3, 3])
}
fn one_group() -> usize {
    1
}
fn two_pixels() -> usize {
    2
}
fn four_pixels() -> usize {
    4
}
pub(super) fn same() -> Padding {
    Padding::Named(NamedPadding::Same)
}
fn yes() -> bool {
    true
}
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_one(value: &usize) -> bool {
    *value == 1
}
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_true(value: &bool) -> bool {
    *value
}
