//! Dropout.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use contract::random::stream;
use dfdx::tensor::Tape;
use rand::Rng;

use super::map::map;
use super::{Backend, Tensor4};

/// [`dropout`], as its device knows it. Which values survive is a function of `key` and of each
/// value's index alone, so the mask is made anew on the way back rather than kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    rate: f32,
    key: u64,
}

impl Dropout {
    /// What survivors are multiplied by, so that the expectation stays.
    pub fn scale(&self) -> f32 {
        1.0 / (1.0 - self.rate)
    }

    /// Values drop whose 32 random bits, as a number, are below this.
    fn threshold(&self) -> u64 {
        (f64::from(self.rate) * (1u64 << 32) as f64).round() as u64
    }

    /// The random bits of the values at indices 2·`pair` (the lower half) and 2·`pair` + 1.
    ///
    /// SplitMix64: Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators".
    fn bits(&self, pair: u64) -> u64 {
        let mut bits = self
            .key
            .wrapping_add(pair.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

/// Makes each value zero with probability `rate`, and the others greater by 1 / (1 − `rate`).
///
/// The choice is a function of `seed`, the two indices (a step of training and a layer, say) and the
/// value's place in the tensor.
///
/// # Panics
/// If `rate` is not in [0, 1), or the device fails.
pub fn dropout<B: Backend, T: Tape<f32, B>>(
    x: Tensor4<B, T>,
    rate: f32,
    seed: u64,
    purpose_indices: [u64; 2],
) -> Tensor4<B, T> {
    assert!((0.0..1.0).contains(&rate), "a dropout rate in [0, 1)");
    let key = stream(seed, "dropout", purpose_indices).next_u64();
    map("dropout", Dropout { rate, key }, x)
}
