//! Product of each channel of each image with a factor of its own.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::shapes::HasShape;
use dfdx::tensor::Tape;

use super::combine::combine;
use super::{Backend, Tensor4};

/// The operation of [`scale_channels`] for the device's [`Combine`](super::Combine) implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaleChannels;

/// Multiplies every channel of every image of `x` (n, c, h, w) by its factor in `factors` (n, c, 1, 1), as in
/// squeeze-and-excitation networks (Hu, Shen and Sun, 2018). The tensors may come from branches of one tensor; see
/// [`add`](super::add()).
///
/// # Panics
/// If the shapes do not match, or the device fails.
pub fn scale_channels<B: Backend, T: Tape<f32, B>>(
    x: Tensor4<B, T>,
    factors: Tensor4<B, T>,
) -> Tensor4<B, T> {
    let (images, channels, ..) = *x.shape();
    assert_eq!(
        *factors.shape(),
        (images, channels, 1, 1),
        "the shape of the factors of scale_channels"
    );
    combine("scale_channels", ScaleChannels, vec![x, factors])
}
