//! Last step of a convolution: its results are added to the output, or get a bias and an activation.

use crate::Activation;
use crate::cpu::activation::in_place;
use crate::cpu::product::Store;
use crate::cpu::vectorized;

/// Final processing of the products of filters and windows.
#[derive(Clone, Copy)]
pub enum Finish<'a> {
    /// Add them to the output.
    Add,
    /// Add the filter's bias, apply the activation, and overwrite the output.
    Activate {
        bias: &'a [f32],
        function: Activation,
    },
}

impl Finish<'_> {
    /// Returns how products are written to the output before [`Finish::apply`].
    pub fn store(self) -> Store {
        match self {
            Self::Add => Store::Add,
            Self::Activate { .. } => Store::Overwrite,
        }
    }

    /// Finishes an image with `positions` values per filter.
    pub fn apply(self, positions: usize, image: &mut [f32]) {
        self.part(0, positions, image);
    }

    /// Finishes some filters of an image, of which `first` is the first, with `positions` values per filter.
    pub fn part(self, first: usize, positions: usize, part: &mut [f32]) {
        if let Self::Activate { bias, function } = self {
            for (values, &bias) in part.chunks_exact_mut(positions).zip(&bias[first..]) {
                vectorized(|| in_place(function, bias, values));
            }
        }
    }
}
