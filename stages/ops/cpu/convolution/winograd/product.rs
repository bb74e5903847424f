//! Products of small matrices that fit into the caches, one for every point.
//!
//! The `gemm` crate packs its operands first. Here they already have the layout that the kernel needs, and
//! for such small matrices packing costs more than it gains.

use pulp::Simd;

/// A matrix in which element (r, c) is at index `r * row + c * column`.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    pub values: &'a [f32],
    pub row: usize,
    pub column: usize,
}

/// A matrix in panels of two vectors of columns. Element (r, c) of a panel is at index `r * row + c` of the
/// panel, and panels are `panel` values apart.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a> {
    pub values: &'a [f32],
    pub row: usize,
    pub panel: usize,
}

/// Computes `out` = `a`·`b` or, if `add`, `out` += `a`·`b`. `a` is `rows`×`depth` and `b` is
/// `depth`×`columns`; rows of `out` are `stride` values apart. `columns` must be a multiple of the vector's
/// lanes.
#[inline(always)]
pub(super) fn product<S: Simd>(
    simd: S,
    [rows, depth, columns]: [usize; 3],
    a: Operand<'_>,
    b: Panels<'_>,
    out: &mut [f32],
    stride: usize,
    add: bool,
) {
    if rows == 0 || depth == 0 || columns == 0 {
        return;
    }
    assert_eq!(
        columns % S::F32_LANES,
        0,
        "the columns must fill whole vectors"
    );
    assert!((rows - 1) * a.row + (depth - 1) * a.column < a.values.len());
    let width = 2 * S::F32_LANES;
    let last = (columns - 1) / width;
    let last_width = columns - last * width;
    assert!(last * b.panel + (depth - 1) * b.row + last_width <= b.values.len());
    assert!(last == 0 || b.panel * (last - 1) + (depth - 1) * b.row + width <= b.values.len());
    assert!(stride >= columns && (rows - 1) * stride + columns <= out.len());
    for index in 0..=last {
        let two = index < last || last_width == width;
        let mut row = 0;
        while row < rows {
            let left = rows - row;
            // SAFETY: the assertions above place the last element of `a`, of every panel of `b` and of
            // `out` inside its slice; `row` plus the kernel's rows is at most `rows`.
            unsafe {
                let call = Call {
                    depth,
                    a: a.values.as_ptr().add(row * a.row),
                    a_row: a.row,
                    a_column: a.column,
                    b: b.values.as_ptr().add(index * b.panel),
                    b_row: b.row,
                    out: out.as_mut_ptr().add(row * stride + index * width),
                    stride,
                    add,
                };
                row += if two {
                    rows_of::<S, 2>(simd, call, left)
                } else {
                    rows_of::<S, 1>(simd, call, left)
                };
            }
        }
    }
}

/// Arguments of a kernel.
#[derive(Clone, Copy)]
struct Call {
    depth: usize,
    a: *const f32,
    a_row: usize,
    a_column: usize,
    b: *const f32,
    b_row: usize,
    out: *mut f32,
    stride: usize,
    add: bool,
}

/// Computes as many of the `left` rows as the registers hold, and returns their number.
///
/// # Safety
/// As for [`kernel`], for the rows that are computed.
#[inline(always)]
unsafe fn rows_of<S: Simd, const V: usize>(simd: S, call: Call, left: usize) -> usize {
    // SAFETY: the caller upholds the contract above.
    unsafe {
        if S::REGISTER_COUNT >= 32 && left >= 12 {
            kernel::<S, 12, V>(simd, call);
            12
        } else if left >= 6 {
            kernel::<S, 6, V>(simd, call);
            6
        } else if left >= 4 {
            kernel::<S, 4, V>(simd, call);
            4
        } else if left >= 2 {
            kernel::<S, 2, V>(simd, call);
            2
        } else {
            kernel::<S, 1, V>(simd, call);
            1
        }
    }
}

/// Computes `R` rows and `V` vectors of columns, with the sums in registers over the whole depth.
///
/// # Safety
/// The operands' elements for these rows and columns must be inside their allocations, and nothing else may
/// access those of `out`.
#[inline(always)]
unsafe fn kernel<S: Simd, const R: usize, const V: usize>(simd: S, call: Call) {
    let load = |from: *const f32| -> S::f32s {
        // SAFETY: the caller guarantees that whole vectors are inside the operands.
        unsafe { from.cast::<S::f32s>().read_unaligned() }
    };
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    // SAFETY: the caller guarantees `depth` elements of every row.
    unsafe {
        for p in 0..call.depth {
            let mut b = [simd.splat_f32s(0.0); V];
            for (v, b) in b.iter_mut().enumerate() {
                *b = load(call.b.add(p * call.b_row + v * S::F32_LANES));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let a = simd.splat_f32s(*call.a.add(r * call.a_row + p * call.a_column));
                for (sum, b) in sums.iter_mut().zip(b) {
                    *sum = simd.mul_add_e_f32s(a, b, *sum);
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                let to = call.out.add(r * call.stride + v * S::F32_LANES);
                let sum = if call.add {
                    simd.add_f32s(load(to), sum)
                } else {
                    sum
                };
                to.cast::<S::f32s>().write_unaligned(sum);
            }
        }
    }
}
