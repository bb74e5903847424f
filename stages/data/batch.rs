//! Batches for training: the order of an epoch, and images as floats.

use contract::random;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::transform::Transform;
use super::{Dataset, Policy};

/// The range that bytes are mapped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// 0 to 1.
    Unit,
    /// -1 to 1, the range of tanh.
    Symmetric,
}

impl Scale {
    /// Maps a value from 0 to 255.
    #[inline]
    pub fn map(self, value: f32) -> f32 {
        match self {
            Self::Unit => value / 255.0,
            Self::Symmetric => value / 127.5 - 1.0,
        }
    }
}

/// Transforms of one epoch: every image gets a transform of its own, drawn from the policy.
#[derive(Clone, Copy, Debug)]
pub struct Augmenting<'a> {
    pub policy: &'a Policy,
    pub seed: u64,
    pub epoch: u64,
}

/// Returns the order of an epoch: a permutation of `0..len` that is a function of `(seed, epoch)`.
pub fn shuffled(len: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.shuffle(&mut random::stream(seed, "shuffle", [epoch, 0]));
    order
}

/// Fills `out` (n×c×h×w) with the images `indices`, each transformed if `augment` is given. An
/// image's transform is a function of `(seed, epoch, index)` alone, so neither the batch it is in
/// nor the number of threads matters.
///
/// # Panics
/// If the length of `out` is not that of `indices.len()` images, or an index is out of range.
pub fn fill_batch(
    dataset: &Dataset,
    indices: &[usize],
    scale: Scale,
    augment: Option<&Augmenting<'_>>,
    out: &mut [f32],
) {
    let shape = dataset.shape();
    assert_eq!(
        out.len(),
        indices.len() * shape.len(),
        "`out` must hold a batch of {shape} images"
    );
    out.par_chunks_mut(shape.len())
        .zip(indices)
        .with_min_len(8)
        .for_each(|(out, &i)| {
            let image = dataset.image(i);
            match augment {
                Some(a) => Transform::draw(a.policy, shape, a.seed, a.epoch, i as u64).apply(
                    image,
                    shape,
                    |v| scale.map(v),
                    out,
                ),
                None => planar(image, shape.channels, scale, out),
            }
        });
}

/// Converts HWC bytes to CHW floats. `out` has one value for each byte.
pub fn planar(image: &[u8], channels: usize, scale: Scale, out: &mut [f32]) {
    let plane = out.len() / channels;
    for (channel, out) in out.chunks_exact_mut(plane).enumerate() {
        for (to, from) in out
            .iter_mut()
            .zip(image[channel..].iter().step_by(channels))
        {
            *to = scale.map(f32::from(*from));
        }
    }
}
