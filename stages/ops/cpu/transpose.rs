//! Conversion between planes (one channel after another) and interleaved channels.
//!
//! Squares of 8×8 values are transposed in registers if the processor supports it. Value by value, the conversion
//! would be the slowest part of a convolution.

use super::product::Store;

/// Channels one after another: channel c starts at `c * stride`.
#[derive(Clone, Copy, Debug)]
pub struct Planes {
    pub channels: usize,
    pub stride: usize,
}

/// Writes column x of every channel to `to`, interleaved, starting at `places[x]`.
pub fn interleave(from: &[f32], planes: Planes, to: &mut [f32], places: &[usize]) {
    assert_inside(from.len(), planes, to.len(), places);
    // SAFETY: checked by the assertions above.
    let done = unsafe { squares::interleave(from, planes, to, places) };
    each_left(planes, places, done, |plane, row| to[row] = from[plane]);
}

/// Writes or adds the interleaved values that start at `places[x]` to column x of every channel of `to`.
pub fn separate(from: &[f32], places: &[usize], to: &mut [f32], planes: Planes, store: Store) {
    assert_inside(to.len(), planes, from.len(), places);
    // SAFETY: checked by the assertions above.
    let done = unsafe { squares::separate(from, places, to, planes, store) };
    each_left(planes, places, done, |plane, row| match store {
        Store::Overwrite => to[plane] = from[row],
        Store::Add => to[plane] += from[row],
    });
}

fn assert_inside(planes_len: usize, planes: Planes, rows_len: usize, places: &[usize]) {
    if planes.channels == 0 || places.is_empty() {
        return;
    }
    assert!((planes.channels - 1) * planes.stride + places.len() <= planes_len);
    let last = places.iter().copied().max().unwrap_or(0);
    assert!(last + planes.channels <= rows_len);
}

/// Calls `visit` with the two indices of every value, in the planes and interleaved, except for values that
/// are in the first `done.0` channels and the first `done.1` columns.
fn each_left(
    planes: Planes,
    places: &[usize],
    done: (usize, usize),
    mut visit: impl FnMut(usize, usize),
) {
    for channel in 0..planes.channels {
        let first = if channel < done.0 { done.1 } else { 0 };
        for (x, &place) in places.iter().enumerate().skip(first) {
            visit(channel * planes.stride + x, place + channel);
        }
    }
}

/// Conversion of squares of 8×8 values, in registers.
#[cfg(target_arch = "x86_64")]
mod squares {
    use std::arch::x86_64::*;

    use super::{Planes, Store};

    /// Rows and columns of a square.
    const SIDE: usize = 8;

    /// Converts the whole squares of [`super::interleave`]. Returns the numbers of channels and columns in
    /// them.
    ///
    /// # Safety
    /// `from` must contain the first `places.len()` columns of all planes. `to` must have room for one value per
    /// channel, starting at each of `places`.
    pub(super) unsafe fn interleave(
        from: &[f32],
        planes: Planes,
        to: &mut [f32],
        places: &[usize],
    ) -> (usize, usize) {
        if !is_x86_feature_detected!("avx") {
            return (0, 0);
        }
        // SAFETY: the processor supports AVX, and the caller upholds the contract above.
        unsafe { interleave_avx(from.as_ptr(), planes, to.as_mut_ptr(), places) }
    }

    /// Converts the whole squares of [`super::separate`]. Returns the numbers of channels and columns in
    /// them.
    ///
    /// # Safety
    /// As for [`interleave`], with `from` and `to` exchanged.
    pub(super) unsafe fn separate(
        from: &[f32],
        places: &[usize],
        to: &mut [f32],
        planes: Planes,
        store: Store,
    ) -> (usize, usize) {
        if !is_x86_feature_detected!("avx") {
            return (0, 0);
        }
        let (from, to) = (from.as_ptr(), to.as_mut_ptr());
        // SAFETY: the processor supports AVX, and the caller upholds the contract above.
        unsafe {
            match store {
                Store::Overwrite => separate_avx::<false>(from, places, to, planes),
                Store::Add => separate_avx::<true>(from, places, to, planes),
            }
        }
    }

    #[target_feature(enable = "avx")]
    unsafe fn interleave_avx(
        from: *const f32,
        Planes { channels, stride }: Planes,
        to: *mut f32,
        places: &[usize],
    ) -> (usize, usize) {
        let done = (channels / SIDE * SIDE, places.len() / SIDE * SIDE);
        for c in (0..done.0).step_by(SIDE) {
            for (x, places) in places.as_chunks::<SIDE>().0.iter().enumerate() {
                // SAFETY: reads eight values of each of eight channels, and writes eight at each of eight places.
                // The caller guarantees that all are inside the slices.
                unsafe {
                    let from = from.add(c * stride + x * SIDE);
                    let rows = std::array::from_fn(|i| _mm256_loadu_ps(from.add(i * stride)));
                    for (column, place) in transposed(rows).into_iter().zip(places) {
                        _mm256_storeu_ps(to.add(place + c), column);
                    }
                }
            }
        }
        done
    }

    #[target_feature(enable = "avx")]
    unsafe fn separate_avx<const ADD: bool>(
        from: *const f32,
        places: &[usize],
        to: *mut f32,
        Planes { channels, stride }: Planes,
    ) -> (usize, usize) {
        let done = (channels / SIDE * SIDE, places.len() / SIDE * SIDE);
        for c in (0..done.0).step_by(SIDE) {
            for (x, places) in places.as_chunks::<SIDE>().0.iter().enumerate() {
                // SAFETY: reads eight values at each of eight places, and writes eight of each of eight channels.
                // The caller guarantees that all are inside the slices.
                unsafe {
                    let rows = std::array::from_fn(|i| _mm256_loadu_ps(from.add(places[i] + c)));
                    for (i, mut column) in transposed(rows).into_iter().enumerate() {
                        let to = to.add((c + i) * stride + x * SIDE);
                        if ADD {
                            column = _mm256_add_ps(column, _mm256_loadu_ps(to));
                        }
                        _mm256_storeu_ps(to, column);
                    }
                }
            }
        }
        done
    }

    /// Returns the columns of eight rows.
    #[inline]
    #[target_feature(enable = "avx")]
    fn transposed(rows: [__m256; SIDE]) -> [__m256; SIDE] {
        let pairs: [__m256; SIDE] = std::array::from_fn(|i| {
            let (a, b) = (rows[i / 2 * 2], rows[i / 2 * 2 + 1]);
            if i % 2 == 0 {
                _mm256_unpacklo_ps(a, b)
            } else {
                _mm256_unpackhi_ps(a, b)
            }
        });
        let fours: [__m256; SIDE] = std::array::from_fn(|i| {
            let first = i / 4 * 4 + i % 4 / 2;
            let (a, b) = (pairs[first], pairs[first + 2]);
            if i % 2 == 0 {
                _mm256_shuffle_ps::<0x44>(a, b)
            } else {
                _mm256_shuffle_ps::<0xee>(a, b)
            }
        });
        std::array::from_fn(|i| {
            let (a, b) = (fours[i % 4], fours[i % 4 + 4]);
            if i < 4 {
                _mm256_permute2f128_ps::<0x20>(a, b)
            } else {
                _mm256_permute2f128_ps::<0x31>(a, b)
            }
        })
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod squares {
    use super::{Planes, Store};

    pub unsafe fn interleave(_: &[f32], _: Planes, _: &mut [f32], _: &[usize]) -> (usize, usize) {
        (0, 0)
    }

    pub unsafe fn separate(
        _: &[f32],
        _: &[usize],
        _: &mut [f32],
        _: Planes,
        _: Store,
    ) -> (usize, usize) {
        (0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::noise;

    #[test]
    fn values_are_interleaved_and_separated_again() {
        for (channels, columns) in [(1, 1), (8, 8), (16, 9), (19, 24), (3, 40), (24, 3)] {
            let planes = Planes {
                channels,
                stride: columns + 5,
            };
            let from = noise(channels * planes.stride, 1);
            // Two interleaved sets of rows, as for two phases.
            let places: Vec<usize> = (0..columns)
                .map(|x| x / 2 * (2 * channels + 3) + x % 2 * channels)
                .collect();
            let mut rows = vec![7.0; columns * (channels + 2) + 2 * channels];
            interleave(&from, planes, &mut rows, &places);
            for (x, place) in places.iter().enumerate() {
                for c in 0..channels {
                    assert_eq!(rows[place + c], from[c * planes.stride + x]);
                }
            }
            let mut to = vec![1.0; from.len()];
            separate(&rows, &places, &mut to, planes, Store::Add);
            let mut again = vec![1.0; from.len()];
            separate(&rows, &places, &mut again, planes, Store::Overwrite);
            for c in 0..channels {
                for x in 0..planes.stride {
                    let at = c * planes.stride + x;
                    let (sum, copy) = if x < columns {
                        (1.0 + from[at], from[at])
                    } else {
                        (1.0, 1.0)
                    };
                    assert_eq!((to[at], again[at]), (sum, copy));
                }
            }
        }
    }
}
