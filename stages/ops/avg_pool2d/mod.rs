//! Average pooling, over windows and over whole channels.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::tensor::Tape;

use super::map::map;
use super::{Backend, Pool2d, Tensor4};

/// The operation of [`avg_pool2d`] for the device's [`Map`](super::Map) implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool2d(pub Pool2d);

/// The operation of [`global_avg_pool2d`] for the device's [`Map`](super::Map) implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalAvgPool2d;

/// Returns the mean of every window of every channel.
///
/// # Panics
/// If the window does not fit, or the device fails.
pub fn avg_pool2d<B: Backend, T: Tape<f32, B>>(x: Tensor4<B, T>, op: Pool2d) -> Tensor4<B, T> {
    map("avg_pool2d", AvgPool2d(op), x)
}

/// Returns the mean of every channel, as a tensor of shape (n, c, 1, 1).
///
/// # Panics
/// If the device fails.
pub fn global_avg_pool2d<B: Backend, T: Tape<f32, B>>(x: Tensor4<B, T>) -> Tensor4<B, T> {
    map("global_avg_pool2d", GlobalAvgPool2d, x)
}
