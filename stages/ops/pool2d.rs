//! Windows of pooling.

use super::Nchw;

/// Square windows for pooling. Windows that do not fit wholly are dropped, as in Keras' `valid` and in
/// PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2d {
    /// Rows and columns of a window, at least 1.
    pub kernel: usize,
    /// Rows and columns from one window to the next, at least 1.
    pub stride: usize,
}

impl Pool2d {
    /// Rows (or columns) of windows on as many rows (or columns): `None` where not one fits.
    pub fn output_size(&self, input: usize) -> Option<usize> {
        Some(input.checked_sub(self.kernel)? / self.stride + 1)
    }

    /// Whether windows are of 2×2 and lie side by side: what convolutions compute together with it.
    pub(super) fn is_halving(&self) -> bool {
        (self.kernel, self.stride) == (2, 2)
    }

    /// The shape of the output.
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
    /// What kernels of pooling are compiled with, for an input of this shape.
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
