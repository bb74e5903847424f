use crate::ops::Activation;
use crate::ops::activation::in_place;
use crate::ops::cpu::product::Store;
use crate::ops::cpu::vectorized;

/// What becomes of the products of filters and windows.
#[derive(Clone, Copy)]
pub enum Finish<'a> {
    /// They are added to what is there.
    Add,
    /// They get the filter's bias, then the activation.
    Activate {
        bias: &'a [f32],
        function: Activation,
    },
}

impl Finish<'_> {
    /// How products are put where they belong before [`Finish::apply`].
    pub fn store(self) -> Store {
        match self {
            Self::Add => Store::Add,
            Self::Activate { .. } => Store::Overwrite,
        }
    }

    /// Finishes an image, of as many values for every filter.
    pub fn apply(self, positions: usize, image: &mut [f32]) {
        if let Self::Activate { bias, function } = self {
            for (values, &bias) in image.chunks_exact_mut(positions).zip(bias) {
                vectorized(|| in_place(function, bias, values));
            }
        }
    }
}
