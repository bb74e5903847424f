//! Between channels one after the other and channels side by side.
//!
//! Squares of 8×8 values are turned in registers where the processor can: value by value this is the
//! slowest part of a convolution.

use super::product::Store;

/// Rows and columns of a square.
const SIDE: usize = 8;

/// Channels one after the other: channel c begins at `c * stride`.
#[derive(Clone, Copy, Debug)]
pub struct Planes {
    pub channels: usize,
    pub stride: usize,
}

/// Writes column x of every channel to `to`, beginning at `places[x]`, side by side.
pub fn interleave(from: &[f32], planes: Planes, to: &mut [f32], places: &[usize]) {
    let Planes { channels, stride } = planes;
    assert_inside(from.len(), planes, to.len(), places);
    let squares = squares(channels, places.len());
    for c in (0..squares.0).step_by(SIDE) {
        for x in (0..squares.1).step_by(SIDE) {
            let from: [*const f32; SIDE] =
                std::array::from_fn(|i| from[(c + i) * stride + x..].as_ptr());
            let to: [*mut f32; SIDE] =
                std::array::from_fn(|i| to[places[x + i] + c..].as_mut_ptr());
            // SAFETY: eight values from each of these places on are inside the slices, as asserted
            // above, and the processor can, or there would be no squares.
            unsafe { turn(from, to, Store::Overwrite) };
        }
    }
    each_left(planes, places, squares, |plane, row| to[row] = from[plane]);
}

/// Writes what lies side by side from `places[x]` on to column x of every channel of `to`.
pub fn separate(from: &[f32], places: &[usize], to: &mut [f32], planes: Planes, store: Store) {
    let Planes { channels, stride } = planes;
    assert_inside(to.len(), planes, from.len(), places);
    let squares = squares(channels, places.len());
    for c in (0..squares.0).step_by(SIDE) {
        for x in (0..squares.1).step_by(SIDE) {
            let from: [*const f32; SIDE] =
                std::array::from_fn(|i| from[places[x + i] + c..].as_ptr());
            let to: [*mut f32; SIDE] =
                std::array::from_fn(|i| to[(c + i) * stride + x..].as_mut_ptr());
            // SAFETY: as in `interleave`.
            unsafe { turn(from, to, store) };
        }
    }
    each_left(planes, places, squares, |plane, row| match store {
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

/// How many channels and columns are turned in squares.
fn squares(channels: usize, columns: usize) -> (usize, usize) {
    if can_turn() {
        (channels / SIDE * SIDE, columns / SIDE * SIDE)
    } else {
        (0, 0)
    }
}

/// Calls `visit` with the two places of every value outside the squares.
fn each_left(
    planes: Planes,
    places: &[usize],
    squares: (usize, usize),
    mut visit: impl FnMut(usize, usize),
) {
    for channel in 0..planes.channels {
        let first = if channel < squares.0 { squares.1 } else { 0 };
        for (x, &place) in places.iter().enumerate().skip(first) {
            visit(channel * planes.stride + x, place + channel);
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn can_turn() -> bool {
    is_x86_feature_detected!("avx")
}

#[cfg(not(target_arch = "x86_64"))]
fn can_turn() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
unsafe fn turn(_: [*const f32; SIDE], _: [*mut f32; SIDE], _: Store) {}

/// Writes the columns of eight rows of eight values to eight rows.
///
/// # Safety
/// Eight values are at every place, those written at no other's, and the processor has AVX.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn turn(from: [*const f32; SIDE], to: [*mut f32; SIDE], store: Store) {
    use std::arch::x86_64::*;
    // SAFETY: by the caller's promise.
    let row = |i: usize| unsafe { _mm256_loadu_ps(from[i]) };
    let pairs: [__m256; SIDE] = std::array::from_fn(|i| {
        let (a, b) = (row(i / 2 * 2), row(i / 2 * 2 + 1));
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
    for (i, &to) in to.iter().enumerate() {
        let (a, b) = (fours[i % 4], fours[i % 4 + 4]);
        let mut column = if i < 4 {
            _mm256_permute2f128_ps::<0x20>(a, b)
        } else {
            _mm256_permute2f128_ps::<0x31>(a, b)
        };
        // SAFETY: by the caller's promise.
        unsafe {
            if store == Store::Add {
                column = _mm256_add_ps(column, _mm256_loadu_ps(to));
            }
            _mm256_storeu_ps(to, column);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::noise;

    #[test]
    fn there_and_back_by_value() {
        for (channels, columns) in [(1, 1), (8, 8), (16, 9), (19, 24), (3, 40), (24, 3)] {
            let planes = Planes {
                channels,
                stride: columns + 5,
            };
            let from = noise(channels * planes.stride, 1);
            // Two interleaved sets of rows, as of two phases.
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
