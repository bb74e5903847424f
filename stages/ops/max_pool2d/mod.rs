//! Max pooling.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::tensor::Tape;

use super::map::map;
use super::{Backend, Pool2d, Tensor4};

/// The operation of [`max_pool2d`] for the device's [`Map`](super::Map) implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool2d(pub Pool2d);

/// Returns the largest value of every window of every channel. If several values are the largest, the first of
/// them, row by row, gets the gradient. NaN counts as larger than any number.
///
/// # Panics
/// If the window does not fit, or the device fails.
pub fn max_pool2d<B: Backend, T: Tape<f32, B>>(x: Tensor4<B, T>, op: Pool2d) -> Tensor4<B, T> {
    map("max_pool2d", MaxPool2d(op), x)
}
