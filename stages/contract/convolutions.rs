//! [`Convolutions`]: the layers of a model that convolve images.

/// The layers of a model whose output is an image that a convolution made. Known before the model exists, so that a
/// stage that needs one of them can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolutions {
    /// Number of all layers of the model.
    layers: usize,
    /// The bit `n − 1` is set if layer `n` is one of them.
    marks: u128,
}

impl Convolutions {
    /// Most layers that a model can have to be described.
    const MOST: usize = u128::BITS as usize;

    /// Describes a model of `layers` layers, of which those with the numbers `convolutional` (from 1) convolve images.
    /// `None` if there are too many layers.
    pub fn new(layers: usize, convolutional: &[usize]) -> Option<Self> {
        let mark = |marks, number: &usize| marks | 1 << (number - 1);
        (layers <= Self::MOST).then(|| Self {
            layers,
            marks: convolutional.iter().fold(0, mark),
        })
    }

    /// Returns the number of all layers of the model.
    pub fn layers(self) -> usize {
        self.layers
    }

    /// Returns the numbers of the convolutional layers, from 1 and in order.
    pub fn numbers(self) -> Vec<usize> {
        let is_marked = |number: &usize| self.marks >> (number - 1) & 1 == 1;
        (1..=self.layers).filter(is_marked).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Convolutions;

    #[test]
    fn numbers_are_kept_for_as_many_layers_as_there_are_bits() {
        for (layers, numbers) in [(0, vec![]), (3, vec![1, 3]), (128, vec![1, 64, 128])] {
            let found = Convolutions::new(layers, &numbers).unwrap();
            assert_eq!((found.layers(), found.numbers()), (layers, numbers));
        }
        assert_eq!(Convolutions::new(129, &[1]), None);
    }
}
