//! Sizes of a convolution, on any device.

/// How windows lie on images: the images' size, the windows' size, and how many windows there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub kernel_height: usize,
    pub kernel_width: usize,
    pub stride: usize,
    /// Rows and columns by which the first window reaches over the image's edge; negative where it
    /// begins inside.
    pub padding: (isize, isize),
    /// Rows and columns of windows.
    pub windows: (usize, usize),
}

impl Geometry {
    /// Values in an image.
    pub fn image(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Weights of a filter, values in a window.
    pub fn taps(&self) -> usize {
        self.channels * self.kernel_height * self.kernel_width
    }

    /// Windows on an image.
    pub fn positions(&self) -> usize {
        self.windows.0 * self.windows.1
    }
}
