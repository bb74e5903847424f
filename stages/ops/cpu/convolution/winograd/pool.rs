//! Max pooling of 2×2 windows within a tile.

use pulp::Simd;

use super::transform::Square;

/// Rows and columns of a tile before pooling.
const TILE: usize = 4;

/// A tile of vectors: [`TILE`]² vectors, each with up to 16 lanes, the most that a processor has.
pub(super) type TileBuffer = [f32; TILE * TILE * 16];

/// Position of the vectors in a [`TileBuffer`].
pub(super) const fn in_buffer(lanes: usize) -> Square {
    Square {
        first: 0,
        row: TILE * lanes,
        column: lanes,
    }
}

/// Writes the largest value of each window. Returns its index in the window, counted row by row, with two bits
/// per window. The first of several equal values is used. NaN counts as larger than any number.
#[inline(always)]
pub(super) fn pool<S: Simd>(simd: S, tile: &TileBuffer, out: &mut [f32], to: Square) -> S::u32s {
    let (values, _) = S::as_simd_f32s(tile);
    let mut places = simd.splat_u32s(0);
    for window in 0..WINDOWS {
        let (y, x) = (window / (TILE / 2), window % (TILE / 2));
        let mut best = values[2 * y * TILE + 2 * x];
        let mut place = simd.splat_u32s(0);
        for which in 1..4 {
            let value = values[(2 * y + which / 2) * TILE + 2 * x + which % 2];
            let number = simd.equal_f32s(value, value);
            let better = simd.or_m32s(simd.less_than_f32s(best, value), simd.not_m32s(number));
            best = simd.select_f32s(better, value, best);
            place = simd.select_u32s(better, simd.splat_u32s(bits(window, which)), place);
        }
        places = simd.or_u32s(places, place);
        let at = to.first + y * to.row + x * to.column;
        S::as_mut_simd_f32s(&mut out[at..at + S::F32_LANES]).0[0] = best;
    }
    places
}

/// Puts each value back at the position in its window that it was taken from, and zeros at the other positions.
#[inline(always)]
pub(super) fn unpool<S: Simd>(
    simd: S,
    pooled: &[f32],
    from: Square,
    places: S::u32s,
    tile: &mut TileBuffer,
) {
    let (values, _) = S::as_mut_simd_f32s(tile);
    for window in 0..WINDOWS {
        let (y, x) = (window / (TILE / 2), window % (TILE / 2));
        let at = from.first + y * from.row + x * from.column;
        let value = S::as_simd_f32s(&pooled[at..at + S::F32_LANES]).0[0];
        let place = simd.and_u32s(places, simd.splat_u32s(bits(window, 3)));
        for which in 0..4 {
            let here = simd.equal_u32s(place, simd.splat_u32s(bits(window, which)));
            values[(2 * y + which / 2) * TILE + 2 * x + which % 2] =
                simd.select_f32s(here, value, simd.splat_f32s(0.0));
        }
    }
}

/// Number of windows in a tile.
const WINDOWS: usize = TILE / 2 * (TILE / 2);

/// Encodes which of a window's values is the largest.
const fn bits(window: usize, which: usize) -> u32 {
    (which << (2 * window)) as u32
}
