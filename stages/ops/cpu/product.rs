//! Products of matrices, on one thread.

use gemm_common::Parallelism;
use gemm_f32::gemm::f32::get_gemm_fn;

/// A matrix in a slice: element (r, c) is at `r * row_stride + c * column_stride`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    pub values: &'a [f32],
    pub row_stride: usize,
    pub column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A matrix whose rows are `stride` values apart.
    pub fn rows(values: &'a [f32], stride: usize) -> Self {
        Self {
            values,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// The transpose of [`Matrix::rows`].
    pub fn columns(values: &'a [f32], stride: usize) -> Self {
        Self {
            values,
            row_stride: 1,
            column_stride: stride,
        }
    }

    fn assert_holds(&self, rows: usize, columns: usize) {
        let last = (rows - 1) * self.row_stride + (columns - 1) * self.column_stride;
        assert!(
            last < self.values.len(),
            "a matrix of {rows}×{columns} in {} values",
            self.values.len()
        );
    }
}

/// Treatment of the previous content of a product's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Overwrite,
    Add,
}

/// Largest depth of a product that gemm computes in one piece, whatever the sizes of the processor's caches.
const DEPTH: usize = 512;
/// Products with at most this many rows and columns are computed in pieces of [`DEPTH`] by gemm itself.
const SMALL: usize = 64;

/// Computes `out` = `a`·`b`, or `out` += `a`·`b`. `a` is `rows`×`depth` and `b` is `depth`×`columns`; rows of
/// `out` are `out_stride` values apart. Fastest if the column stride of `b` is 1.
pub fn product<'a>(
    [rows, depth, columns]: [usize; 3],
    a: Matrix<'a>,
    b: Matrix<'a>,
    out: &mut [f32],
    out_stride: usize,
    store: Store,
) {
    if rows == 0 || depth == 0 || columns == 0 {
        return;
    }
    a.assert_holds(rows, depth);
    b.assert_holds(depth, columns);
    assert!(
        out_stride >= columns && (rows - 1) * out_stride + columns <= out.len(),
        "the output slice is too small for the product"
    );
    // Above this depth, gemm adds partial sums whose lengths depend on the size of a cache. Pieces of equal depth give
    // the same bits on all processors with the same instructions, and those of gemm with the caches of most of them.
    let pieces = match rows <= SMALL && columns <= SMALL {
        true => 1,
        false => depth.div_ceil(DEPTH),
    };
    let piece = depth.div_ceil(pieces);
    for first in (0..depth).step_by(piece) {
        let part = |matrix: Matrix<'a>, stride: usize| Matrix {
            values: &matrix.values[first * stride..],
            ..matrix
        };
        let size = [rows, piece.min(depth - first), columns];
        let store = match first {
            0 => store,
            _ => Store::Add,
        };
        multiply(
            size,
            part(a, a.column_stride),
            part(b, b.row_stride),
            out,
            out_stride,
            store,
        );
    }
}

/// Computes a product whose matrices hold `size`.
fn multiply(
    [rows, depth, columns]: [usize; 3],
    a: Matrix<'_>,
    b: Matrix<'_>,
    out: &mut [f32],
    out_stride: usize,
    store: Store,
) {
    let stride = |stride: usize| isize::try_from(stride).expect("a stride that fits `isize`");
    // SAFETY: the function reads `depth`×`columns` and `rows`×`depth` elements of `b` and `a` and reads
    // and writes `rows`×`columns` elements of `out` at the strides given; the assertions in `product` place the
    // last of each inside its slice, and distinct elements of `out` at distinct places. `out` is
    // borrowed mutably, so it overlaps neither. Everything is transposed because the kernels want the
    // first dimension of the output contiguous.
    unsafe {
        get_gemm_fn()(
            columns,
            rows,
            depth,
            out.as_mut_ptr(),
            stride(out_stride),
            1,
            store == Store::Add,
            b.values.as_ptr(),
            stride(b.row_stride),
            stride(b.column_stride),
            a.values.as_ptr(),
            stride(a.row_stride),
            stride(a.column_stride),
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_worked_by_hand() {
        let (a, b) = (
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            [1.0, 0.0, 2.0, 1.0, 0.0, 3.0],
        );
        let mut out = [9.0; 6];
        product(
            [2, 3, 2],
            Matrix::rows(&a, 3),
            Matrix::rows(&b, 2),
            &mut out,
            3,
            Store::Overwrite,
        );
        assert_eq!(out, [5.0, 11.0, 9.0, 14.0, 23.0, 9.0]);
        product(
            [2, 3, 2],
            Matrix::rows(&a, 3),
            Matrix::rows(&b, 2),
            &mut out,
            3,
            Store::Add,
        );
        assert_eq!(out, [10.0, 22.0, 9.0, 28.0, 46.0, 9.0]);
        let mut out = [0.0; 9];
        product(
            [3, 2, 3],
            Matrix::columns(&a, 3),
            Matrix::columns(&b, 2),
            &mut out,
            3,
            Store::Overwrite,
        );
        assert_eq!(out, [1.0, 6.0, 12.0, 2.0, 9.0, 15.0, 3.0, 12.0, 18.0]);
    }

    #[test]
    fn a_deep_product_is_the_sum_of_its_pieces() {
        let (rows, depth, columns) = (65, 1100, 70);
        let values = |count: usize, step: usize| -> Vec<f32> {
            let value = |i: usize| ((i * step) % 17) as f32 - 8.0;
            (0..count).map(value).collect()
        };
        let (a, b) = (values(rows * depth, 7), values(depth * columns, 5));
        let mut out = vec![1.0; rows * columns];
        let (left, right) = (Matrix::rows(&a, depth), Matrix::rows(&b, columns));
        product(
            [rows, depth, columns],
            left,
            right,
            &mut out,
            columns,
            Store::Add,
        );
        for (place, &found) in out.iter().enumerate() {
            let (row, column) = (place / columns, place % columns);
            let terms = (0..depth).map(|d| a[row * depth + d] * b[d * columns + column]);
            // Small integers are added exactly.
            assert_eq!(found, 1.0 + terms.sum::<f32>(), "{row}, {column}");
        }
    }
}
