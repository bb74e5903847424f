//! Sizes of a convolution, independent of the device.

/// Placement of windows on images: sizes of images and windows, stride, padding and number of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub kernel_height: usize,
    pub kernel_width: usize,
    pub stride: usize,
    /// Rows and columns of padding before the image. Negative if the first window starts inside the image.
    pub padding: (isize, isize),
    /// Number of windows along the height and along the width.
    pub windows: (usize, usize),
}

impl Geometry {
    /// Number of values in an image.
    pub fn image(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Number of weights in a filter, and of values in a window.
    pub fn taps(&self) -> usize {
        self.channels * self.kernel_height * self.kernel_width
    }

    /// Number of windows on an image.
    pub fn positions(&self) -> usize {
        self.windows.0 * self.windows.1
    }
}

/// Sizes of a convolution with any windows and groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    pub images: usize,
    pub groups: usize,
    /// Channels and filters of a group.
    pub channels: usize,
    pub filters: usize,
    /// Rows and columns: of an image, of the kernel, between windows, between the pixels that a window meets, of zeros
    /// before the image, and of windows.
    pub input: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    pub before: [usize; 2],
    pub output: [usize; 2],
}
