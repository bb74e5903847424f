//! Short convolutions as products at points: the matrices, and how vectors meet them.
//!
//! A convolution of polynomials is a product of their values at enough points (Toom, 1963; Cook,
//! 1966). For outputs y of a filter g on data d this is y = Aᵀ((G·g) ∘ (Bᵀ·d)), in two dimensions
//! with every matrix on both sides; see Winograd (1980), "Arithmetic complexity of computations", and
//! Lavin and Gray (2016), "Fast algorithms for convolutional neural networks". Every matrix has a row
//! for a point; the last point is infinity.

use pulp::Simd;

/// A minimal algorithm for `M`×`M` outputs of `R`×`R` filters on `N`×`N` values, `N` = `M` + `R` − 1.
pub trait Points<const N: usize, const R: usize, const M: usize> {
    /// Bᵀ.
    const INPUT: [[f32; N]; N];
    /// G.
    const KERNEL: [[f32; R]; N];
    /// A.
    const OUTPUT: [[f32; M]; N];
}

/// F(4×4, 3×3): 36 products for 144. Of points with short binary fractions, 0, ±5/8 and ±3/2 lose
/// the fewest digits; see `docs/performance.md`.
pub struct ForThree;

impl Points<6, 3, 4> for ForThree {
    const INPUT: [[f32; 6]; 6] = input(&[0.0, 0.625, -0.625, 1.5, -1.5]);
    const KERNEL: [[f32; 3]; 6] = kernel(&[0.0, 0.625, -0.625, 1.5, -1.5]);
    const OUTPUT: [[f32; 4]; 6] = output(&[0.0, 0.625, -0.625, 1.5, -1.5]);
}

/// F(4×4, 2×2): 25 products for 64.
pub struct ForTwo;

impl Points<5, 2, 4> for ForTwo {
    const INPUT: [[f32; 5]; 5] = input(&[0.5, -0.5, 1.5, -1.5]);
    const KERNEL: [[f32; 2]; 5] = kernel(&[0.5, -0.5, 1.5, -1.5]);
    const OUTPUT: [[f32; 4]; 5] = output(&[0.5, -0.5, 1.5, -1.5]);
}

/// F(2×2, 2×2): 9 products for 16; for small images of many channels, whose filters at the points
/// would else take more memory than they save work.
pub struct ForTwoSmall;

impl Points<3, 2, 2> for ForTwoSmall {
    const INPUT: [[f32; 3]; 3] = input(&[1.0, -1.0]);
    const KERNEL: [[f32; 2]; 3] = kernel(&[1.0, -1.0]);
    const OUTPUT: [[f32; 2]; 3] = output(&[1.0, -1.0]);
}

/// Calls a method of something that has a `layout` for the algorithm that the layout is for.
macro_rules! with_points {
    ($this:ident, $method:ident, $simd:ident) => {{
        use crate::ops::cpu::convolution::winograd::points::{ForThree, ForTwo, ForTwoSmall};
        match ($this.layout.taps, $this.layout.side) {
            (2, 2) => $this.$method::<_, ForTwoSmall, 3, 2, 2>($simd),
            (2, _) => $this.$method::<_, ForTwo, 5, 2, 4>($simd),
            _ => $this.$method::<_, ForThree, 6, 3, 4>($simd),
        }
    }};
}

pub(super) use with_points;

/// For every point, the coefficients of the polynomial that is zero at all the others.
const fn input<const N: usize>(points: &[f64]) -> [[f32; N]; N] {
    let mut matrix = [[0.0; N]; N];
    let mut row = 0;
    while row < N {
        let mut coefficients = [0.0; N];
        coefficients[0] = 1.0;
        let mut other = 0;
        while other < points.len() {
            if other != row {
                // Times (x − point).
                let mut power = N - 1;
                while power > 0 {
                    coefficients[power] =
                        coefficients[power - 1] - points[other] * coefficients[power];
                    power -= 1;
                }
                coefficients[0] *= -points[other];
            }
            other += 1;
        }
        let mut column = 0;
        while column < N {
            matrix[row][column] = coefficients[column] as f32;
            column += 1;
        }
        row += 1;
    }
    matrix
}

/// The powers of every point, divided by the value there of its polynomial in [`input`].
const fn kernel<const N: usize, const R: usize>(points: &[f64]) -> [[f32; R]; N] {
    let mut matrix = [[0.0; R]; N];
    let mut row = 0;
    while row < points.len() {
        let mut entry = 1.0;
        let mut other = 0;
        while other < points.len() {
            if other != row {
                entry /= points[row] - points[other];
            }
            other += 1;
        }
        let mut power = 0;
        while power < R {
            matrix[row][power] = entry as f32;
            entry *= points[row];
            power += 1;
        }
        row += 1;
    }
    matrix[N - 1][R - 1] = 1.0;
    matrix
}

/// The powers of every point.
const fn output<const N: usize, const M: usize>(points: &[f64]) -> [[f32; M]; N] {
    let mut matrix = [[0.0; M]; N];
    let mut row = 0;
    while row < points.len() {
        let mut entry = 1.0;
        let mut power = 0;
        while power < M {
            matrix[row][power] = entry as f32;
            entry *= points[row];
            power += 1;
        }
        row += 1;
    }
    matrix[N - 1][M - 1] = 1.0;
    matrix
}

/// Where the vectors of a square lie in a slice: (i, j) begins at `first + i * row + j * column`.
#[derive(Clone, Copy, Debug)]
pub struct Square {
    pub first: usize,
    pub row: usize,
    pub column: usize,
}

impl Square {
    /// Panics unless `size`×`size` vectors of `lanes` values are among `len` values.
    #[inline(always)]
    fn assert_inside(&self, size: usize, lanes: usize, len: usize) {
        let last = self.first + (size - 1) * (self.row + self.column);
        assert!(last + lanes <= len, "a square of vectors inside a slice");
    }

    #[inline(always)]
    fn place(&self, i: usize, j: usize) -> usize {
        self.first + i * self.row + j * self.column
    }
}

/// Writes `matrix` · X · `matrix`ᵀ for the square X of vectors: values to points.
#[inline(always)]
pub fn to_points<S: Simd, const N: usize, const C: usize>(
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

/// Writes or, if `ADD`, adds `matrix`ᵀ · X · `matrix` for the square X of vectors: points to values.
#[inline(always)]
pub fn from_points<S: Simd, const N: usize, const C: usize, const ADD: bool>(
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
/// A whole vector must be there.
#[inline(always)]
unsafe fn load<S: Simd>(from: *const f32) -> S::f32s {
    // SAFETY: by the caller's promise; a vector may begin anywhere.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}

/// # Safety
/// There must be room for a whole vector.
#[inline(always)]
unsafe fn store<S: Simd>(to: *mut f32, vector: S::f32s) {
    // SAFETY: by the caller's promise; a vector may begin anywhere.
    unsafe { to.cast::<S::f32s>().write_unaligned(vector) };
}

/// Repeats a block with `$i` a constant from 0 up to but not including `$n`, at most 6: unlike a loop,
/// this leaves nothing to the optimizer's judgement, and coefficients are folded into the code.
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

/// Where the pairs ±p begin among `n` points: before them only 0 can be, after them is infinity.
const fn first_pair(n: usize) -> usize {
    (n + 1) % 2
}

/// Whether point `i` of `n` is the p of a pair ±p; −p follows.
const fn is_plus(i: usize, n: usize) -> bool {
    let first = first_pair(n);
    i >= first && i < n - 1 && (i - first) % 2 == 0
}

/// Whether point `i` of `n` is the −p of a pair.
const fn is_minus(i: usize, n: usize) -> bool {
    let first = first_pair(n);
    i > first && i < n - 1 && (i - first) % 2 == 1
}

/// `matrix` · x. The polynomials of p and −p are the same but for the signs of every other
/// coefficient, so a pair takes one pass over x.
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

/// `matrix`ᵀ · x.
#[inline(always)]
fn columns<S: Simd, const N: usize, const C: usize>(
    simd: S,
    matrix: &[[f32; C]; N],
    x: [S::f32s; N],
) -> [S::f32s; C] {
    // Sums and differences of the pairs, in place of the pairs.
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

/// The sum of `x` times coefficients that are known when this is compiled: those that are zero cost
/// nothing, those that are ±1 no product.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// y = Aᵀ((G·g) ∘ (Bᵀ·d)) is the correlation of d with g, for every pair of unit vectors.
    fn correlates<P: Points<N, R, M>, const N: usize, const R: usize, const M: usize>() {
        for data in 0..N {
            for tap in 0..R {
                for output in 0..M {
                    let at_point = |p: usize| P::KERNEL[p][tap] * P::INPUT[p][data];
                    let found: f32 = (0..N).map(|p| P::OUTPUT[p][output] * at_point(p)).sum();
                    let expected = if output + tap == data { 1.0 } else { 0.0 };
                    assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
                }
            }
        }
    }

    #[test]
    fn products_at_points_are_correlations() {
        correlates::<ForThree, 6, 3, 4>();
        correlates::<ForTwo, 5, 2, 4>();
        correlates::<ForTwoSmall, 3, 2, 2>();
    }
}
