//! Other shapes for the same values, in the same order. Nothing is copied.

use dfdx::shapes::HasShape;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::{Device, ReshapeTo};

use super::Tensor4;

/// Makes the values of every image its features: (n, c·h·w, 1, 1).
pub fn flatten<B: Device<f32>, T: Tape<f32, B>>(x: Tensor4<B, T>) -> Tensor4<B, T> {
    let (n, c, h, w) = *x.shape();
    x.reshape_like(&(n, c * h * w, 1, 1))
}

/// Gives every image this many channels, rows and columns.
///
/// # Panics
/// If the number of values in an image changes.
pub fn reshape<B: Device<f32>, T: Tape<f32, B>>(
    x: Tensor4<B, T>,
    (channels, height, width): (usize, usize, usize),
) -> Tensor4<B, T> {
    let images = x.shape().0;
    x.reshape_like(&(images, channels, height, width))
}
