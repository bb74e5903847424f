//! Windows of pooling operations.

use super::Nchw;

/// Pooling windows. Windows that do not fit entirely are dropped, as in Keras' `valid` and in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2d {
    /// Rows and columns of a window; at least 1.
    pub kernel: [usize; 2],
    /// Distance between windows, in rows and in columns; at least 1.
    pub stride: [usize; 2],
}

impl Pool2d {
    /// Windows with the same sides and strides in both directions.
    pub const fn square(kernel: usize, stride: usize) -> Self {
        Self {
            kernel: [kernel; 2],
            stride: [stride; 2],
        }
    }

    /// Number of windows along an axis (0: rows, 1: columns) of `input` rows or columns, or `None` if not even one
    /// fits.
    pub fn output_size(&self, axis: usize, input: usize) -> Option<usize> {
        Some(input.checked_sub(self.kernel[axis])? / self.stride[axis] + 1)
    }

    /// Returns whether windows are 2×2 and adjacent. Convolutions can compute such pooling together with their output.
    pub(super) fn is_halving(&self) -> bool {
        *self == Self::square(2, 2)
    }

    /// Shape of the output for an input of this shape.
    ///
    /// # Panics
    /// If no window fits.
    pub(super) fn output_shape(&self, (n, c, h, w): Nchw) -> Nchw {
        let windows = |axis, size| {
            self.output_size(axis, size)
                .expect("a pooling window that fits the image")
        };
        (n, c, windows(0, h), windows(1, w))
    }
}

#[cfg(feature = "cuda")]
impl Pool2d {
    /// Compile-time constants of pooling kernels for an input of this shape.
    pub(super) fn constants(&self, input: Nchw) -> [crate::cuda::Constant; 8] {
        let output = self.output_shape(input);
        [
            ("HEIGHT", input.2 as i64),
            ("WIDTH", input.3 as i64),
            ("ROWS", output.2 as i64),
            ("COLUMNS", output.3 as i64),
            ("SIDE_Y", self.kernel[0] as i64),
            ("SIDE_X", self.kernel[1] as i64),
            ("STEP_Y", self.stride[0] as i64),
            ("STEP_X", self.stride[1] as i64),
        ]
    }
}
