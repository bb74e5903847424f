//! Nearest-neighbor upsampling.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::tensor::Tape;

use super::map::map;
use super::{Backend, Tensor4};

/// The operation of [`upsample_nearest2d`] for the device's [`Map`](super::Map) implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpsampleNearest2d {
    pub factor: usize,
}

/// Replaces every value by a square of `factor`×`factor` equal values. The shape of the output is (n, c, h·factor,
/// w·factor).
///
/// # Panics
/// If `factor` is 0, or the device fails.
pub fn upsample_nearest2d<B: Backend, T: Tape<f32, B>>(
    x: Tensor4<B, T>,
    factor: usize,
) -> Tensor4<B, T> {
    assert!(factor > 0, "a factor of at least 1");
    map("upsample_nearest2d", UpsampleNearest2d { factor }, x)
}
