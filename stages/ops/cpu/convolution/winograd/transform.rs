//! Application of the matrices of [`points`](super::points) to squares of vectors.

use pulp::Simd;

/// Position of a square of vectors in a slice: vector (i, j) starts at `first + i * row + j * column`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Square {
    pub first: usize,
    pub row: usize,
    pub column: usize,
}

impl Square {
    /// Panics unless `size`×`size` vectors of `lanes` values are inside a slice of `len` values.
    #[inline(always)]
    fn assert_inside(&self, size: usize, lanes: usize, len: usize) {
        let last = self.first + (size - 1) * (self.row + self.column);
        assert!(
            last + lanes <= len,
            "the square of vectors must lie inside the slice"
        );
    }

    /// Returns the square that starts `by` values later.
    #[inline(always)]
    pub(super) fn shifted(self, by: usize) -> Self {
        Self {
            first: self.first + by,
            ..self
        }
    }

    #[inline(always)]
    fn place(&self, i: usize, j: usize) -> usize {
        self.first + i * self.row + j * self.column
    }
}

/// Writes `matrix` · X · `matrix`ᵀ for the square X of vectors. This takes values to points.
#[inline(always)]
pub(super) fn to_points<S: Simd, const N: usize, const C: usize>(
    simd: S,
    matrix: &[[f32; C]; N],
    (values, from): (&[f32], Square),
    (points, to): (&mut [f32], Square),
) {
    from.assert_inside(C, S::F32_LANES, values.len());
    to.assert_inside(N, S::F32_LANES, points.len());
    let mut half = [[simd.splat_f32s(0.0); C]; N];
    for x in 0..C {
        let mut column = [simd.splat_f32s(0.0); C];
        for (y, value) in column.iter_mut().enumerate() {
            // SAFETY: inside the slice, as asserted above.
            *value = unsafe { load::<S>(values.as_ptr().add(from.place(y, x))) };
        }
        for (row, value) in half.iter_mut().zip(rows(simd, matrix, column)) {
            row[x] = value;
        }
    }
    for (i, row) in half.into_iter().enumerate() {
        for (j, value) in rows(simd, matrix, row).into_iter().enumerate() {
            // SAFETY: inside the slice, as asserted above.
            unsafe { store::<S>(points.as_mut_ptr().add(to.place(i, j)), value) };
        }
    }
}

/// Writes or, if `ADD`, adds `matrix`ᵀ · X · `matrix` for the square X of vectors. This takes points to
/// values.
#[inline(always)]
pub(super) fn from_points<S: Simd, const N: usize, const C: usize, const ADD: bool>(
    simd: S,
    matrix: &[[f32; C]; N],
    (points, from): (&[f32], Square),
    (values, to): (&mut [f32], Square),
) {
    from.assert_inside(N, S::F32_LANES, points.len());
    to.assert_inside(C, S::F32_LANES, values.len());
    let mut half = [[simd.splat_f32s(0.0); N]; C];
    for j in 0..N {
        let mut column = [simd.splat_f32s(0.0); N];
        for (i, value) in column.iter_mut().enumerate() {
            // SAFETY: inside the slice, as asserted above.
            *value = unsafe { load::<S>(points.as_ptr().add(from.place(i, j))) };
        }
        for (row, value) in half.iter_mut().zip(columns(simd, matrix, column)) {
            row[j] = value;
        }
    }
    for (y, row) in half.into_iter().enumerate() {
        for (x, value) in columns(simd, matrix, row).into_iter().enumerate() {
            // SAFETY: inside the slice, as asserted above.
            unsafe {
                let to = values.as_mut_ptr().add(to.place(y, x));
                let sum = if ADD {
                    simd.add_f32s(load::<S>(to), value)
                } else {
                    value
                };
                store::<S>(to, sum);
            }
        }
    }
}

/// # Safety
/// `from` must point to a whole vector, with any alignment.
#[inline(always)]
unsafe fn load<S: Simd>(from: *const f32) -> S::f32s {
    // SAFETY: the caller upholds the contract above.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// # Safety
/// `to` must point to memory for a whole vector, with any alignment.
#[inline(always)]
unsafe fn store<S: Simd>(to: *mut f32, vector: S::f32s) {
    // SAFETY: the caller upholds the contract above.
    unsafe { to.cast::<S::f32s>().write_unaligned(vector) };
}

/// Repeats a block with `$i` a constant from 0 up to but not including `$n`, which is at most 6. Unlike a
/// loop, it is certain to be unrolled, so that coefficients are folded into the code.
macro_rules! unrolled {
    ($n:expr, $i:ident => $body:block) => {
        unrolled!(@ $n, $i => $body; 0 1 2 3 4 5)
    };
    (@ $n:expr, $i:ident => $body:block; $($index:literal)*) => {
        $(
            if $index < $n {
                const $i: usize = $index;
                $body
            }
        )*
    };
}

/// Index of the first pair ±p among `n` points. Only the point 0 can come before the pairs, and infinity
/// follows them.
const fn first_pair(n: usize) -> usize {
    (n + 1) % 2
}

/// Returns whether point `i` of `n` is the p of a pair ±p; −p follows.
const fn is_plus(i: usize, n: usize) -> bool {
    let first = first_pair(n);
    i >= first && i < n - 1 && (i - first).is_multiple_of(2)
}

/// Returns whether point `i` of `n` is the −p of a pair.
const fn is_minus(i: usize, n: usize) -> bool {
    let first = first_pair(n);
    i > first && i < n - 1 && !(i - first).is_multiple_of(2)
}

/// Computes `matrix` · x. The polynomials of p and −p differ only in the signs of every other coefficient, so
/// a pair takes one pass over x.
#[inline(always)]
fn rows<S: Simd, const N: usize, const C: usize>(
    simd: S,
    matrix: &[[f32; C]; N],
    x: [S::f32s; C],
) -> [S::f32s; N] {
    let mut products = [simd.splat_f32s(0.0); N];
    unrolled!(N, I => {
        if is_plus(I, N) {
            let (mut even, mut odd) = ([0.0; C], [0.0; C]);
            unrolled!(C, J => {
                if same_sign(matrix[I][J], matrix[I + 1][J]) {
                    even[J] = matrix[I][J];
                } else {
                    odd[J] = matrix[I][J];
                }
            });
            let (even, odd) = (combination(simd, even, x), combination(simd, odd, x));
            products[I] = simd.add_f32s(even, odd);
            products[I + 1] = simd.sub_f32s(even, odd);
        } else if !is_minus(I, N) {
            products[I] = combination(simd, matrix[I], x);
        }
    });
    products
}

/// Computes `matrix`ᵀ · x.
#[inline(always)]
fn columns<S: Simd, const N: usize, const C: usize>(
    simd: S,
    matrix: &[[f32; C]; N],
    x: [S::f32s; N],
) -> [S::f32s; C] {
    // Every pair is replaced by its sum and its difference.
    let mut folded = x;
    unrolled!(N, I => {
        if is_plus(I, N) {
            folded[I] = simd.add_f32s(x[I], x[I + 1]);
            folded[I + 1] = simd.sub_f32s(x[I], x[I + 1]);
        }
    });
    let mut products = [simd.splat_f32s(0.0); C];
    unrolled!(C, J => {
        let mut coefficients = [0.0; N];
        unrolled!(N, I => {
            if is_plus(I, N) {
                if same_sign(matrix[I][J], matrix[I + 1][J]) {
                    coefficients[I] = matrix[I][J];
                } else {
                    coefficients[I + 1] = matrix[I][J];
                }
            } else if !is_minus(I, N) {
                coefficients[I] = matrix[I][J];
            }
        });
        products[J] = combination(simd, coefficients, folded);
    });
    products
}

const fn same_sign(a: f32, b: f32) -> bool {
    (a > 0.0) == (b > 0.0)
}

/// Returns the sum of `x` times coefficients that are known at compile time. Coefficients of 0 cost nothing.
#[inline(always)]
fn combination<S: Simd, const C: usize>(
    simd: S,
    coefficients: [f32; C],
    x: [S::f32s; C],
) -> S::f32s {
    let mut sum = None;
    unrolled!(C, J => {
        let (c, value) = (coefficients[J], x[J]);
        if c != 0.0 {
            sum = Some(match sum {
                None if c == 1.0 => value,
                None => simd.mul_f32s(simd.splat_f32s(c), value),
                Some(sum) if c == 1.0 => simd.add_f32s(sum, value),
                Some(sum) if c == -1.0 => simd.sub_f32s(sum, value),
                Some(sum) => simd.mul_add_e_f32s(simd.splat_f32s(c), value, sum),
            });
        }
    });
    sum.unwrap_or(simd.splat_f32s(0.0))
}
