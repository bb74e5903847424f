//! Two-dimensional convolution with bias and activation.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::shapes::HasShape;
use dfdx::tensor::Tape;

use super::layer::{Wanted, layer};
use super::{Activation, Backend, Geometry, Nchw, Tensor4};

/// Stride, padding and activation of a convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2d {
    /// Distance between windows, in rows and in columns; at least 1.
    pub stride: usize,
    /// Rows and columns of zeros on each side of the image.
    pub padding: usize,
    pub activation: Activation,
}

impl Conv2d {
    /// Number of output rows (or columns) for these numbers of input and kernel rows (or columns), or `None`
    /// if the kernel does not fit.
    pub fn output_size(&self, input: usize, kernel: usize) -> Option<usize> {
        Some((input + 2 * self.padding).checked_sub(kernel)? / self.stride + 1)
    }

    /// Returns the placement of windows on an input of the first shape, for a weight of the second shape.
    ///
    /// # Panics
    /// If the kernel does not fit.
    pub(super) fn geometry(
        &self,
        (_, channels, height, width): Nchw,
        (_, _, kernel_height, kernel_width): Nchw,
    ) -> Geometry {
        let windows = |size, kernel| {
            self.output_size(size, kernel)
                .expect("a kernel that fits the image")
        };
        let padding = isize::try_from(self.padding).expect("a padding that fits `isize`");
        Geometry {
            channels,
            height,
            width,
            kernel_height,
            kernel_width,
            stride: self.stride,
            padding: (padding, padding),
            windows: (windows(height, kernel_height), windows(width, kernel_width)),
        }
    }
}

/// Correlates every image of `x` (n, c, h, w) with every filter of `weight` (filters, c, kernel height,
/// kernel width), adds `bias` (1, filters, 1, 1) and applies the activation. The shape of the output is
/// (n, filters, rows, columns), with rows and columns by [`Conv2d::output_size`].
///
/// # Panics
/// If the shapes do not match, the kernel does not fit, or the device fails.
pub fn conv2d<B: Backend, T: Tape<f32, B>>(
    x: Tensor4<B, T>,
    weight: &Tensor4<B>,
    bias: &Tensor4<B>,
    op: Conv2d,
    wanted: Wanted,
) -> Tensor4<B, T> {
    let (filters, channels, ..) = *weight.shape();
    assert_eq!(channels, x.shape().1, "channels of the weight of conv2d");
    assert_eq!(filters, bias.shape().1, "filters of the weight of conv2d");
    layer("conv2d", op, x, weight, bias, wanted)
}
