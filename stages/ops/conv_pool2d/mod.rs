//! Two-dimensional convolution with bias and activation, and maxima of windows of what comes out: as
//! the two one after the other, but what is between them, the largest tensor of a network, is never
//! written.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::shapes::HasShape;
use dfdx::tensor::Tape;

use super::layer::{Wanted, layer};
use super::{Backend, Conv2d, Pool2d, Tensor4};

/// A convolution, and the pooling after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvPool2d {
    pub conv: Conv2d,
    pub pool: Pool2d,
}

/// [`max_pool2d`](super::max_pool2d()) of [`conv2d`](super::conv2d()). Which of equal maxima gets the
/// gradient is decided before the activation, whose own equal values have no gradient to give.
///
/// # Panics
/// As those two.
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
