//! Dropout, of single values and of whole channels.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(test)]
mod tests;

use contract::random::stream;
use dfdx::shapes::HasShape;
use dfdx::tensor::Tape;
use rand::Rng;

use super::map::map;
use super::{Backend, Tensor4};

/// The operation of [`dropout`] and [`spatial_dropout`] for a device. Whether a value survives depends only on `rate`,
/// `key` and the index of its span, so the backward pass computes the mask again, and the forward pass does not keep it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    rate: f32,
    key: u64,
    /// Number of consecutive values that are dropped together: 1, or the values of a channel.
    span: usize,
}

impl Dropout {
    fn new(rate: f32, seed: u64, purpose_indices: [u64; 2], span: usize) -> Self {
        assert!((0.0..1.0).contains(&rate), "a dropout rate in [0, 1)");
        let key = stream(seed, "dropout", purpose_indices).next_u64();
        Self { rate, key, span }
    }

    /// Factor for surviving values, which preserves the expected value.
    pub fn scale(&self) -> f32 {
        1.0 / (1.0 - self.rate)
    }

    /// A span is dropped if its 32 random bits, read as a number, are below this threshold.
    fn threshold(&self) -> u64 {
        (f64::from(self.rate) * (1u64 << 32) as f64).round() as u64
    }

    /// Returns the random bits of the spans at indices 2·`pair` (the lower half) and 2·`pair` + 1 (the upper half).
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
    let op = Dropout::new(rate, seed, purpose_indices, 1);
    map("dropout", op, x)
}

/// Sets all values of a channel of an image to zero with probability `rate`, and multiplies the other channels by
/// 1 / (1 − `rate`) (Tompson et al., 2015, "Efficient object localization using convolutional networks").
///
/// The choice is that of [`dropout`] for a tensor with one value for each channel.
///
/// # Panics
/// If `rate` is not in [0, 1), or the device fails.
pub fn spatial_dropout<B: Backend, T: Tape<f32, B>>(
    x: Tensor4<B, T>,
    rate: f32,
    seed: u64,
    purpose_indices: [u64; 2],
) -> Tensor4<B, T> {
    let (_, _, height, width) = *x.shape();
    let op = Dropout::new(rate, seed, purpose_indices, height * width);
    map("spatial_dropout", op, x)
}
