//! Two-dimensional transposed convolution with bias and activation.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::shapes::HasShape;
use dfdx::tensor::Tape;

use super::layer::{Wanted, layer};
use super::{Activation, Backend, Geometry, Nchw, Tensor4};

/// Stride, padding and activation of a transposed convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvTranspose2d {
    /// Distance between windows on the output, in rows and in columns; at least 1.
    pub stride: usize,
    /// Rows and columns that are cut off on each side of the output.
    pub padding: usize,
    pub activation: Activation,
}

impl ConvTranspose2d {
    /// Number of output rows (or columns) for these numbers of input and kernel rows (or columns): (`input` −
    /// 1)·stride − 2·padding + `kernel`. `None` if this is not positive, or `input` is 0.
    pub fn output_size(&self, input: usize, kernel: usize) -> Option<usize> {
        let whole = input.checked_sub(1)? * self.stride + kernel;
        whole.checked_sub(2 * self.padding).filter(|&size| size > 0)
    }

    /// Returns the placement of windows on the output, for an input of the first shape and a weight of the second.
    /// The convolution that this operation transposes has the same placement.
    ///
    /// # Panics
    /// If the output would be empty.
    pub(super) fn geometry(
        &self,
        (_, _, height, width): Nchw,
        (_, channels, kernel_height, kernel_width): Nchw,
    ) -> Geometry {
        let size = |input, kernel| {
            self.output_size(input, kernel)
                .expect("an output that the padding does not remove")
        };
        let padding = isize::try_from(self.padding).expect("a padding that fits `isize`");
        Geometry {
            channels,
            height: size(height, kernel_height),
            width: size(width, kernel_width),
            kernel_height,
            kernel_width,
            stride: self.stride,
            padding: (padding, padding),
            windows: (height, width),
        }
    }
}

/// Multiplies every value of `x` (n, c, h, w) by its channel's filters in `weight` (c, channels out, kernel
/// height, kernel width) and adds the products to a window of the output. Then adds `bias` (1, channels out,
/// 1, 1) and applies the activation. The shape of the output is (n, channels out, rows, columns), with rows and
/// columns by [`ConvTranspose2d::output_size`].
///
/// # Panics
/// If the shapes do not match, the output would be empty, or the device fails.
pub fn conv_transpose2d<B: Backend, T: Tape<f32, B>>(
    x: Tensor4<B, T>,
    weight: &Tensor4<B>,
    bias: &Tensor4<B>,
    op: ConvTranspose2d,
    wanted: Wanted,
) -> Tensor4<B, T> {
    let (channels, channels_out, ..) = *weight.shape();
    assert_eq!(
        channels,
        x.shape().1,
        "channels of the weight of conv_transpose2d"
    );
    assert_eq!(
        channels_out,
        bias.shape().1,
        "channels out of the weight of conv_transpose2d"
    );
    layer("conv_transpose2d", op, x, weight, bias, wanted)
}
