//! Elementwise operations and transposition on all threads, and sums in a fixed order.

use std::mem::MaybeUninit;
use std::ops::Deref;

use rayon::prelude::*;

use super::vectorized;

/// Values per piece of work: few enough to balance the threads, but enough to be worth handing over.
const PIECE: usize = 1 << 14;

/// Number of parts, of `values` values each, that are worth handing to another thread.
pub fn at_least(values: usize) -> usize {
    (PIECE / values.max(1)).max(1)
}

/// Returns `count` zeros, written by all threads: for a large tensor, writing zeros takes as long as computing
/// some layers.
pub fn zeros(count: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(count);
    values.spare_capacity_mut()[..count]
        .par_chunks_mut(PIECE)
        .for_each(|piece| piece.fill(MaybeUninit::new(0.0)));
    // SAFETY: the capacity is at least `count`, and that many values have been written.
    unsafe { values.set_len(count) };
    values
}

/// Calls `f` with corresponding pieces of two slices of equal length.
pub fn zip(to: &mut [f32], from: &[f32], f: impl Fn(&mut [f32], &[f32]) + Sync) {
    assert_eq!(to.len(), from.len(), "slices of equal length");
    to.par_chunks_mut(PIECE)
        .zip(from.par_chunks(PIECE))
        .for_each(|(to, from)| vectorized(|| f(to, from)));
}

/// Calls `f` with every piece of a slice and the index at which the piece starts.
pub fn indexed(to: &mut [f32], f: impl Fn(usize, &mut [f32]) + Sync) {
    to.par_chunks_mut(PIECE)
        .enumerate()
        .for_each(|(index, to)| vectorized(|| f(index * PIECE, to)));
}

/// Adds a slice to another.
pub fn add(to: &mut [f32], from: &[f32]) {
    zip(to, from, |to, from| {
        to.iter_mut().zip(from).for_each(|(to, from)| *to += from)
    });
}

/// Adds several slices to another, in their order.
pub fn add_all(to: &mut [f32], from: &[impl Deref<Target = [f32]> + Sync]) {
    indexed(to, |first, to| {
        for from in from {
            let from = &from[first..first + to.len()];
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
    });
}

/// Number of partial sums, which are added as lanes of a vector. It is part of the definition of the result:
/// another number would change the last bits.
const LANES: usize = 16;

/// Returns the sum of a slice, added up in a fixed order.
pub fn sum(values: &[f32]) -> f32 {
    vectorized(|| sum_by(values, values, |value, _| value))
}

/// Returns the sum of a function of corresponding elements, added up in a fixed order.
#[inline(always)]
pub fn sum_by(left: &[f32], right: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (left, right) = (left.chunks_exact(LANES), right.chunks_exact(LANES));
    let tail: f32 = left
        .remainder()
        .iter()
        .zip(right.remainder())
        .map(|(&l, &r)| f(l, r))
        .sum();
    for (left, right) in left.zip(right) {
        for (lane, (&l, &r)) in lanes.iter_mut().zip(left.iter().zip(right)) {
            *lane += f(l, r);
        }
    }
    lanes.iter().sum::<f32>() + tail
}

/// Returns the transpose of a matrix with `rows` rows.
pub fn transpose(from: &[f32], rows: usize) -> Vec<f32> {
    /// Side of the blocks in which values are moved, so that reads and writes share cache lines.
    const BLOCK: usize = 32;
    let columns = from.len() / rows;
    let mut to = vec![0.0; from.len()];
    to.par_chunks_mut(BLOCK * rows)
        .enumerate()
        .for_each(|(block, to)| {
            let first_column = block * BLOCK;
            for first_row in (0..rows).step_by(BLOCK) {
                for (offset, to) in to.chunks_exact_mut(rows).enumerate() {
                    for row in first_row..(first_row + BLOCK).min(rows) {
                        to[row] = from[row * columns + first_column + offset];
                    }
                }
            }
        });
    to
}
