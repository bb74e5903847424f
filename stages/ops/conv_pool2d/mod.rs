//! Two-dimensional convolution with bias and activation, followed by max pooling. The result is the same as that
//! of the two operations. If one pass can compute both, the convolution's output is never written to memory. It
//! would be the largest tensor of a network.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::shapes::HasShape;
use dfdx::tensor::Tape;

use super::layer::{Wanted, layer};
use super::{Backend, Conv2d, Pool2d, Tensor4};

/// A convolution and the max pooling of its output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvPool2d {
    pub(crate) conv: Conv2d,
    pub(crate) pool: Pool2d,
}

impl ConvPool2d {
    /// Returns both as one operation. `None` if the convolution has groups, gaps in its windows, or different strides in
    /// both directions: these are computed by themselves.
    pub fn of(conv: Conv2d, pool: Pool2d) -> Option<Self> {
        conv.is_plain().then_some(Self { conv, pool })
    }

    /// Returns the two operations.
    pub fn parts(self) -> (Conv2d, Pool2d) {
        (self.conv, self.pool)
    }
}

/// Applies [`max_pool2d`](super::max_pool2d()) to the output of [`conv2d`](super::conv2d()).
///
/// If both are computed in one pass, ties between maxima are decided by the values before the activation. Apart
/// from rounding, values that only the activation makes equal have derivative 0, so the gradients are the same.
///
/// # Panics
/// In the same cases as these two functions.
pub fn conv_pool2d<B: Backend, T: Tape<f32, B>>(
    x: Tensor4<B, T>,
    weight: &Tensor4<B>,
    bias: &Tensor4<B>,
    op: ConvPool2d,
    wanted: Wanted,
) -> Tensor4<B, T> {
    let (filters, channels, ..) = *weight.shape();
    assert_eq!(
        channels,
        x.shape().1,
        "channels of the weight of conv_pool2d"
    );
    assert_eq!(
        filters,
        bias.shape().1,
        "filters of the weight of conv_pool2d"
    );
    layer("conv_pool2d", op, x, weight, bias, wanted)
}
