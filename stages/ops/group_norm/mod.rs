//! Group normalization, and layer normalization as its special case.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::shapes::HasShape;
use dfdx::tensor::Tape;

use super::layer::{Wanted, layer};
use super::{Backend, Tensor4};

/// Constants of group normalization (Wu and He, 2018).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNorm {
    /// Number of groups of consecutive channels; divides the number of channels.
    pub groups: usize,
    /// Added to the variance; greater than 0.
    pub epsilon: f32,
}

/// Normalizes every group of channels of every image of `x` by the mean and the variance of its values, then
/// multiplies every channel by `scale` and adds `shift` (each (1, c, 1, 1)). The variance is the sum of squared
/// deviations divided by n, not by n − 1. Other images of the batch have no influence.
///
/// # Panics
/// If the shapes do not match, the channels cannot be divided into the groups, or the device fails.
pub fn group_norm<B: Backend, T: Tape<f32, B>>(
    x: Tensor4<B, T>,
    scale: &Tensor4<B>,
    shift: &Tensor4<B>,
    op: GroupNorm,
    wanted: Wanted,
) -> Tensor4<B, T> {
    let channels = x.shape().1;
    for tensor in [scale, shift] {
        let expected = (1, channels, 1, 1);
        assert_eq!(*tensor.shape(), expected, "one value for each channel");
    }
    assert!(
        op.groups > 0 && channels.is_multiple_of(op.groups),
        "groups of equal numbers of channels"
    );
    layer("group_norm", op, x, scale, shift, wanted)
}

/// Normalizes every image by the mean and the variance of all of its values: [`group_norm`] with one group, as
/// PyTorch's `GroupNorm(1, channels)`. Unlike PyTorch's `LayerNorm`, it has one scale and one shift for each channel,
/// not for each value.
///
/// # Panics
/// As [`group_norm`].
pub fn layer_norm<B: Backend, T: Tape<f32, B>>(
    x: Tensor4<B, T>,
    scale: &Tensor4<B>,
    shift: &Tensor4<B>,
    epsilon: f32,
    wanted: Wanted,
) -> Tensor4<B, T> {
    let op = GroupNorm { groups: 1, epsilon };
    group_norm(x, scale, shift, op, wanted)
}
