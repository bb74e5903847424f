//! Two-dimensional convolution with bias and activation.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use dfdx::shapes::HasShape;
use dfdx::tensor::Tape;

use super::geometry::Windows;
use super::layer::{Wanted, layer};
use super::{Activation, Backend, Geometry, Nchw, Tensor4};

/// Rows and columns of zeros around an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Padding {
    pub top: usize,
    pub bottom: usize,
    pub left: usize,
    pub right: usize,
}

impl Padding {
    /// Returns the same padding on all sides.
    pub const fn all(pixels: usize) -> Self {
        Self {
            top: pixels,
            bottom: pixels,
            left: pixels,
            right: pixels,
        }
    }
}

/// Placement of the windows of a convolution, its groups and its activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2d {
    /// Distance between windows, in rows and in columns; at least 1.
    pub stride: [usize; 2],
    /// Distance between the pixels that a window meets, in rows and in columns; at least 1.
    pub dilation: [usize; 2],
    pub padding: Padding,
    /// Number of groups of channels. Each group of filters sees only the group of channels in the same place.
    pub groups: usize,
    pub activation: Activation,
}

impl Conv2d {
    /// A convolution of all channels, with the same stride and the same padding in both directions, no gaps and no
    /// activation.
    pub const fn square(stride: usize, padding: usize) -> Self {
        Self {
            stride: [stride; 2],
            dilation: [1; 2],
            padding: Padding::all(padding),
            groups: 1,
            activation: Activation::Linear,
        }
    }

    /// Number of rows and columns of the output for these rows and columns of input and kernel, or `None` if the kernel
    /// does not fit.
    pub fn output_size(
        &self,
        [height, width]: [usize; 2],
        kernel: [usize; 2],
    ) -> Option<[usize; 2]> {
        let Padding {
            top,
            bottom,
            left,
            right,
        } = self.padding;
        let along = |axis: usize, side: usize| {
            let covered = (kernel[axis].checked_sub(1)?) * self.dilation[axis] + 1;
            Some(side.checked_sub(covered)? / self.stride[axis] + 1)
        };
        Some([
            along(0, height + top + bottom)?,
            along(1, width + left + right)?,
        ])
    }

    /// Returns `true` if all channels are in one group, windows have no gaps, and they are as far apart in rows as in
    /// columns.
    pub(crate) fn is_plain(&self) -> bool {
        let [rows, columns] = self.stride;
        self.groups == 1 && self.dilation == [1, 1] && rows == columns
    }

    /// Returns the placement of windows on an input of the first shape, for a weight of the second shape.
    ///
    /// # Panics
    /// If the kernel does not fit, or the convolution is not [plain](Self::is_plain).
    pub(super) fn geometry(
        &self,
        (_, channels, height, width): Nchw,
        (_, _, kernel_height, kernel_width): Nchw,
    ) -> Geometry {
        assert!(self.is_plain(), "a plain convolution");
        let [rows, columns] = self
            .output_size([height, width], [kernel_height, kernel_width])
            .expect("a kernel that fits the image");
        let before = |side: usize| isize::try_from(side).expect("a padding that fits `isize`");
        Geometry {
            channels,
            height,
            width,
            kernel_height,
            kernel_width,
            stride: self.stride[0],
            padding: (before(self.padding.top), before(self.padding.left)),
            windows: (rows, columns),
        }
    }

    /// Returns the placement of any windows.
    ///
    /// # Panics
    /// If the kernel does not fit.
    pub(crate) fn windows(
        &self,
        (images, channels, height, width): Nchw,
        (filters, _, kernel_height, kernel_width): Nchw,
    ) -> Windows {
        let kernel = [kernel_height, kernel_width];
        let sizes = self.output_size([height, width], kernel);
        Windows {
            images,
            groups: self.groups,
            channels: channels / self.groups,
            filters: filters / self.groups,
            input: [height, width],
            kernel,
            stride: self.stride,
            dilation: self.dilation,
            before: [self.padding.top, self.padding.left],
            output: sizes.expect("a kernel that fits the image"),
        }
    }
}

/// Correlates every image of `x` (n, c, h, w) with every filter of `weight` (filters, c / groups, kernel height,
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
    assert_eq!(
        channels * op.groups,
        x.shape().1,
        "channels of the weight of conv2d"
    );
    assert!(
        filters.is_multiple_of(op.groups),
        "groups of filters of conv2d"
    );
    assert_eq!(filters, bias.shape().1, "filters of the weight of conv2d");
    layer("conv2d", op, x, weight, bias, wanted)
}
