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

/// The operation of [`dropout`] for a device. Whether a value survives depends only on `rate`, `key` and the
/// value's index, so the backward pass computes the mask again, and the forward pass does not keep it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    rate: f32,
    key: u64,
}

impl Dropout {
    /// Factor for surviving values, which preserves the expected value.
    pub fn scale(&self) -> f32 {
        1.0 / (1.0 - self.rate)
    }

    /// A value is dropped if its 32 random bits, read as a number, are below this threshold.
    fn threshold(&self) -> u64 {
        (f64::from(self.rate) * (1u64 << 32) as f64).round() as u64
    }

    /// Returns the random bits of the values at indices 2·`pair` (the lower half) and 2·`pair` + 1 (the upper half).
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

/// Sets each value to zero with probability `rate`, and multiplies the others by 1 / (1 − `rate`).
///
/// The choice depends only on `rate`, `seed`, the two `purpose_indices` (for example a training step and a layer)
/// and the value's index in the tensor.
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
