//! Windows of pooling operations.

use super::Nchw;

/// Square pooling windows. Windows that do not fit entirely are dropped, as in Keras' `valid` and in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2d {
    /// Rows and columns of a window; at least 1.
    pub kernel: usize,
    /// Distance between windows, in rows and in columns; at least 1.
    pub stride: usize,
}

impl Pool2d {
    /// Number of windows along an axis of `input` rows or columns, or `None` if not even one fits.
    pub fn output_size(&self, input: usize) -> Option<usize> {
        Some(input.checked_sub(self.kernel)? / self.stride + 1)
    }

    /// Returns whether windows are 2×2 and adjacent. Convolutions can compute such pooling together with their output.
    pub(super) fn is_halving(&self) -> bool {
        (self.kernel, self.stride) == (2, 2)
    }

    /// Shape of the output for an input of this shape.
    ///
    /// # Panics
    /// If no window fits.
    pub(super) fn output_shape(&self, (n, c, h, w): Nchw) -> Nchw {
        let windows = |size| {
            self.output_size(size)
                .expect("a pooling window that fits the image")
        };
        (n, c, windows(h), windows(w))
    }
}

#[cfg(feature = "cuda")]
impl Pool2d {
    /// Compile-time constants of pooling kernels for an input of this shape.
    pub(super) fn constants(&self, input: Nchw) -> [crate::cuda::Constant; 6] {
        let output = self.output_shape(input);
        [
            ("HEIGHT", input.2 as i64),
            ("WIDTH", input.3 as i64),
            ("ROWS", output.2 as i64),
            ("COLUMNS", output.3 as i64),
            ("SIDE", self.kernel as i64),
            ("STEP", self.stride as i64),
        ]
    }
}
