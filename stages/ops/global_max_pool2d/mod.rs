//! Max pooling over whole channels.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::tensor::Tape;

use super::map::map;
use super::{Backend, Tensor4};

/// The operation of [`global_max_pool2d`] for the device's [`Map`](super::Map) implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalMaxPool2d;

/// Returns the largest value of every channel, as a tensor of shape (n, c, 1, 1). If several values are the largest,
/// the first of them, row by row, gets the gradient. NaN counts as larger than any number.
///
/// # Panics
/// If the device fails.
pub fn global_max_pool2d<B: Backend, T: Tape<f32, B>>(x: Tensor4<B, T>) -> Tensor4<B, T> {
    map("global_max_pool2d", GlobalMaxPool2d, x)
}
