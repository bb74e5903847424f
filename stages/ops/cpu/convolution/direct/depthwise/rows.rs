//! Sums over the taps of a filter for several rows of windows at once, in registers.
//!
//! A vector of a row of the image is loaded once for all taps of a column that meet it.

use std::mem::MaybeUninit;

use pulp::{MemMask, Simd};

use super::ROWS_BEYOND;
use crate::cpu::product::Store;
use crate::cpu::scratch::LINE;

/// Rows of windows at once. The heights of images are often multiples of 7, and more rows would need more registers.
pub(super) const ROWS: usize = 7;

/// Rows of windows at once if fewer than [`ROWS`] are left.
const FEW: usize = ROWS_BEYOND + 1;

/// Windows on a plane, and the taps of their filter.
#[derive(Clone, Copy)]
pub(super) struct Grid<'a> {
    /// Rows and columns of windows.
    pub size: [usize; 2],
    /// Distance between rows of the plane.
    pub pitch: usize,
    /// Distance between rows of windows, in rows of the plane.
    pub stride: usize,
    /// Rows of taps.
    pub taps: usize,
    /// Index in the plane of the upper tap of each column of taps, for the first window.
    pub columns: &'a [usize],
}

impl Grid<'_> {
    /// Returns the index after the last value of the plane that is read.
    #[inline(always)]
    fn end(&self) -> usize {
        let [rows, columns] = self.size;
        let last_row = (rows - 1 + ROWS_BEYOND) * self.stride + self.taps - 1;
        let last_column = self.columns.iter().max().copied().unwrap_or(0);
        last_row * self.pitch + last_column + columns.next_multiple_of(LINE)
    }
}

/// Weights of a filter: those of each column of taps, from top to bottom; and what is added to their sums.
#[derive(Clone, Copy)]
pub(super) struct Filter<'a> {
    pub weights: &'a [f32],
    pub bias: f32,
}

/// Rows of results.
pub(super) struct Rows<'a> {
    values: &'a mut [MaybeUninit<f32>],
    /// Distance between rows.
    pitch: usize,
    store: Store,
}

impl<'a> Rows<'a> {
    /// Rows that get sums.
    pub(super) fn overwriting(values: &'a mut [MaybeUninit<f32>], pitch: usize) -> Self {
        Self {
            values,
            pitch,
            store: Store::Overwrite,
        }
    }

    /// Rows that sums are added to.
    pub(super) fn adding(values: &'a mut [f32], pitch: usize) -> Self {
        let (values, count) = (values.as_mut_ptr().cast(), values.len());
        Self {
            // SAFETY: these are the same values, and only numbers are written to them.
            values: unsafe { std::slice::from_raw_parts_mut(values, count) },
            pitch,
            store: Store::Add,
        }
    }
}

/// Computes the sum over the taps for every window.
///
/// # Panics
/// If there is no room for the results, if the plane has no room for [`ROWS_BEYOND`] further rows of windows and for whole
/// lines of columns, or if the numbers of taps and the stride are not those of a depthwise convolution or of its gradients.
#[inline(always)]
pub(super) fn sums<S: Simd>(
    simd: S,
    plane: &[f32],
    grid: Grid<'_>,
    filter: Filter<'_>,
    to: Rows<'_>,
) {
    match (grid.taps, grid.stride) {
        (1, 1) => sums_of::<S, 1, 1>(simd, plane, grid, filter, to),
        (2, 1) => sums_of::<S, 2, 1>(simd, plane, grid, filter, to),
        (3, 1) => sums_of::<S, 3, 1>(simd, plane, grid, filter, to),
        (5, 1) => sums_of::<S, 5, 1>(simd, plane, grid, filter, to),
        (3, 2) => sums_of::<S, 3, 2>(simd, plane, grid, filter, to),
        (5, 2) => sums_of::<S, 5, 2>(simd, plane, grid, filter, to),
        (taps, stride) => panic!("no sums of {taps} rows of taps with stride {stride}"),
    }
}

/// See [`sums`].
#[inline(always)]
fn sums_of<S: Simd, const TAPS: usize, const STRIDE: usize>(
    simd: S,
    plane: &[f32],
    grid: Grid<'_>,
    filter: Filter<'_>,
    to: Rows<'_>,
) {
    let [rows, columns] = grid.size;
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(TAPS * grid.columns.len() <= filter.weights.len() && grid.end() <= plane.len());
    assert!((rows - 1) * to.pitch + columns <= to.values.len());
    let mut row = 0;
    while row < rows {
        let many = rows - row >= ROWS;
        for column in (0..columns).step_by(S::F32_LANES) {
            // SAFETY: the assertions above place all weights, all values of the plane up to the end of a line and of
            // `ROWS_BEYOND` rows below the last one, and the results of all windows in their slices.
            unsafe {
                let plane = plane.as_ptr().add(row * STRIDE * grid.pitch + column);
                let target = Target {
                    to: to.values.as_mut_ptr().add(row * to.pitch + column).cast(),
                    pitch: to.pitch,
                    store: to.store,
                    size: [rows - row, columns - column],
                };
                if many {
                    let sums = block::<S, ROWS, TAPS, STRIDE>(simd, plane, grid, filter);
                    target.write(simd, sums);
                } else {
                    let sums = block::<S, FEW, TAPS, STRIDE>(simd, plane, grid, filter);
                    target.write(simd, sums);
                }
            }
        }
        row += if many { ROWS } else { FEW };
    }
}

/// Returns the sums of `ROWS` rows of windows, as many in each row as a vector has lanes.
///
/// # Safety
/// There must be `TAPS` weights for each column of taps, and all values that the windows meet must be in the plane, whose
/// first value is that of the first window.
#[inline(always)]
unsafe fn block<S: Simd, const ROWS: usize, const TAPS: usize, const STRIDE: usize>(
    simd: S,
    plane: *const f32,
    grid: Grid<'_>,
    filter: Filter<'_>,
) -> [S::f32s; ROWS] {
    let mut sums = [simd.splat_f32s(filter.bias); ROWS];
    // SAFETY: the caller upholds the contract above.
    unsafe {
        for (column, offset) in grid.columns.iter().enumerate() {
            let weights = filter.weights.as_ptr().add(column * TAPS);
            let weights: [S::f32s; TAPS] =
                std::array::from_fn(|tap| simd.splat_f32s(*weights.add(tap)));
            let plane = plane.add(*offset);
            for (tap, weight) in weights.into_iter().enumerate() {
                for (row, sum) in sums.iter_mut().enumerate() {
                    let values = plane.add((row * STRIDE + tap) * grid.pitch);
                    let values = values.cast::<S::f32s>().read_unaligned();
                    *sum = simd.mul_add_e_f32s(weight, values, *sum);
                }
            }
        }
    }
    sums
}

/// Places of the results of a block.
struct Target {
    to: *mut f32,
    pitch: usize,
    store: Store,
    /// Rows and columns that are left.
    size: [usize; 2],
}

impl Target {
    /// Writes the sums of windows.
    ///
    /// # Safety
    /// There must be room for the rows and columns that are left, at most as many as there are rows of sums and lanes. If
    /// sums are added to values, these must be initialized.
    #[inline(always)]
    unsafe fn write<S: Simd, const ROWS: usize>(&self, simd: S, mut sums: [S::f32s; ROWS]) {
        let [rows, columns] = self.size;
        let row = |row: usize| self.to.wrapping_add(row * self.pitch);
        // pulp's mask comes with functions for partial vectors, which are slower than the processor's instructions.
        let mask = simd.mask_between_m32s(0, columns.min(LINE) as u32);
        let mask = MemMask::new(mask.mask());
        if self.store == Store::Add {
            // All rows are read before the first is written, because a processor waits for a partial write before it reads
            // nearby.
            for (index, sum) in sums.iter_mut().enumerate() {
                if index < rows {
                    // SAFETY: the caller upholds the contract above.
                    let before = unsafe { simd.mask_load_ptr_f32s(mask, row(index)) };
                    *sum = simd.add_f32s(*sum, before);
                }
            }
        }
        for (index, sum) in sums.into_iter().enumerate() {
            if index < rows {
                // SAFETY: the caller upholds the contract above.
                unsafe {
                    if columns >= S::F32_LANES {
                        row(index).cast::<S::f32s>().write_unaligned(sum);
                    } else {
                        simd.mask_store_ptr_f32s(mask, row(index), sum);
                    }
                }
            }
        }
    }
}

/// For every tap, adds the products of the values that it meets and of the gradients of the windows to the lanes of a line
/// of `totals`, which has the lines of each column of taps, from top to bottom. Rows of gradients are at the distance
/// `pitch`, with zeros up to the end of a line and in [`ROWS_BEYOND`] further rows.
///
/// # Panics
/// As for [`sums`].
#[inline(always)]
pub(super) fn products<S: Simd>(
    simd: S,
    plane: &[f32],
    grid: Grid<'_>,
    (gradients, pitch): (&[f32], usize),
    totals: &mut [f32],
) {
    match (grid.taps, grid.stride) {
        (3, 1) => products_of::<S, 3, 1>(simd, plane, grid, (gradients, pitch), totals),
        (5, 1) => products_of::<S, 5, 1>(simd, plane, grid, (gradients, pitch), totals),
        (3, 2) => products_of::<S, 3, 2>(simd, plane, grid, (gradients, pitch), totals),
        (5, 2) => products_of::<S, 5, 2>(simd, plane, grid, (gradients, pitch), totals),
        (taps, stride) => panic!("no products of {taps} rows of taps with stride {stride}"),
    }
}

/// See [`products`].
#[inline(always)]
fn products_of<S: Simd, const TAPS: usize, const STRIDE: usize>(
    simd: S,
    plane: &[f32],
    grid: Grid<'_>,
    (gradients, pitch): (&[f32], usize),
    totals: &mut [f32],
) {
    let [rows, columns] = grid.size;
    if rows == 0 || columns == 0 {
        return;
    }
    let padded = columns.next_multiple_of(LINE);
    assert!(TAPS * grid.columns.len() * LINE <= totals.len() && grid.end() <= plane.len());
    assert!((rows - 1 + ROWS_BEYOND) * pitch + padded <= gradients.len());
    let mut row = 0;
    while row < rows {
        let many = rows - row >= ROWS;
        for column in (0..columns).step_by(S::F32_LANES) {
            // SAFETY: the assertions above place all values up to the end of a line and of `ROWS_BEYOND` rows below the
            // last one, and all lines of totals, in their slices.
            unsafe {
                let plane = plane.as_ptr().add(row * STRIDE * grid.pitch + column);
                let factors = (gradients.as_ptr().add(row * pitch + column), pitch);
                let totals = totals.as_mut_ptr();
                if many {
                    add::<S, ROWS, TAPS, STRIDE>(simd, plane, grid, factors, totals);
                } else {
                    add::<S, FEW, TAPS, STRIDE>(simd, plane, grid, factors, totals);
                }
            }
        }
        row += if many { ROWS } else { FEW };
    }
}

/// Adds the products of `ROWS` rows of windows, as many in each row as a vector has lanes.
///
/// # Safety
/// As for [`block`]. There must be gradients of all windows, and a line of totals for each tap.
#[inline(always)]
unsafe fn add<S: Simd, const ROWS: usize, const TAPS: usize, const STRIDE: usize>(
    simd: S,
    plane: *const f32,
    grid: Grid<'_>,
    (gradients, pitch): (*const f32, usize),
    totals: *mut f32,
) {
    // SAFETY: the caller upholds the contract above.
    unsafe {
        let gradients: [S::f32s; ROWS] = std::array::from_fn(|row| {
            let row = gradients.add(row * pitch);
            row.cast::<S::f32s>().read_unaligned()
        });
        for (column, offset) in grid.columns.iter().enumerate() {
            let plane = plane.add(*offset);
            let totals: [*mut S::f32s; TAPS] =
                std::array::from_fn(|tap| totals.add((column * TAPS + tap) * LINE).cast());
            // They are written after all values have been read, so that the compiler reads each value once.
            let mut sums = totals.map(|total| total.read_unaligned());
            for (row, gradient) in gradients.into_iter().enumerate() {
                for (tap, sum) in sums.iter_mut().enumerate() {
                    let values = plane.add((row * STRIDE + tap) * grid.pitch);
                    let values = values.cast::<S::f32s>().read_unaligned();
                    *sum = simd.mul_add_e_f32s(gradient, values, *sum);
                }
            }
            for (total, sum) in totals.into_iter().zip(sums) {
                total.write_unaligned(sum);
            }
        }
    }
}
