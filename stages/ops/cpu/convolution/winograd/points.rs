//! Matrices that turn short convolutions into products at points.
//!
//! A convolution is a product of polynomials, which is determined by the products of their values at enough
//! points (Toom, 1963; Cook, 1966). For outputs y of a filter g on data d, this means y = Aᵀ((G·g) ∘ (Bᵀ·d)). In
//! two dimensions, every matrix is applied on both sides; see Winograd (1980), "Arithmetic complexity of
//! computations", and Lavin and Gray
//! (2016), "Fast algorithms for convolutional neural networks". Every matrix has a row per point, and the
//! last point is infinity.

/// A minimal algorithm for `M`×`M` outputs of `R`×`R` filters on `N`×`N` values, where `N` = `M` + `R` − 1.
pub(super) trait Points<const N: usize, const R: usize, const M: usize> {
    /// Bᵀ.
    const INPUT: [[f32; N]; N];
    /// G.
    const KERNEL: [[f32; R]; N];
    /// A.
    const OUTPUT: [[f32; M]; N];
}

/// F(4×4, 3×3): 36 products instead of 144. Among points that are short binary fractions, 0, ±5/8 and ±3/2 lose
/// the fewest digits; see `docs/performance.md`.
pub(super) struct ForThree;

impl Points<6, 3, 4> for ForThree {
    const INPUT: [[f32; 6]; 6] = input(&[0.0, 0.625, -0.625, 1.5, -1.5]);
    const KERNEL: [[f32; 3]; 6] = kernel(&[0.0, 0.625, -0.625, 1.5, -1.5]);
    const OUTPUT: [[f32; 4]; 6] = output(&[0.0, 0.625, -0.625, 1.5, -1.5]);
}

/// F(4×4, 2×2): 25 products instead of 64.
pub(super) struct ForTwo;

impl Points<5, 2, 4> for ForTwo {
    const INPUT: [[f32; 5]; 5] = input(&[0.5, -0.5, 1.5, -1.5]);
    const KERNEL: [[f32; 2]; 5] = kernel(&[0.5, -0.5, 1.5, -1.5]);
    const OUTPUT: [[f32; 4]; 5] = output(&[0.5, -0.5, 1.5, -1.5]);
}

/// F(2×2, 2×2): 9 products instead of 16. Meant for small images with many channels: larger tiles would save
/// multiplications, but the additional memory for the filters at the points would cost more.
pub(super) struct ForTwoSmall;

impl Points<3, 2, 2> for ForTwoSmall {
    const INPUT: [[f32; 3]; 3] = input(&[1.0, -1.0]);
    const KERNEL: [[f32; 2]; 3] = kernel(&[1.0, -1.0]);
    const OUTPUT: [[f32; 2]; 3] = output(&[1.0, -1.0]);
}

/// Calls a method of a value that has a `layout`, with the algorithm for this layout.
macro_rules! with_points {
    ($this:ident, $method:ident, $simd:ident) => {{
        use crate::cpu::convolution::winograd::points::{ForThree, ForTwo, ForTwoSmall};
        match ($this.layout.taps, $this.layout.side) {
            (2, 2) => $this.$method::<_, ForTwoSmall, 3, 2, 2>($simd),
            (2, _) => $this.$method::<_, ForTwo, 5, 2, 4>($simd),
            _ => $this.$method::<_, ForThree, 6, 3, 4>($simd),
        }
    }};
}

pub(super) use with_points;

/// For every point, the coefficients of the polynomial that is zero at all other points.
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

/// The powers of every point, divided by the value of the point's polynomial (see [`input`]) at the point.
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

#[cfg(test)]
mod tests {
    use std::array::from_fn;

    use super::*;
    use crate::check::noise;

    /// Checks that y = Aᵀ((G·g) ∘ (Bᵀ·d)) is the correlation of d with g, for every pair of unit vectors.
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

    /// Returns `matrix` · `x` · `matrix`ᵀ.
    fn around<const A: usize, const B: usize>(
        matrix: &[[f32; B]; A],
        x: &[[f32; B]; B],
    ) -> [[f32; A]; A] {
        let half = |i: usize, q: usize| (0..B).map(|p| matrix[i][p] * x[p][q]).sum::<f32>();
        let half: [[f32; B]; A] = from_fn(|i| from_fn(|q| half(i, q)));
        from_fn(|i| from_fn(|j| (0..B).map(|q| half[i][q] * matrix[j][q]).sum()))
    }

    /// Returns the root mean square error of correlations of noise, computed in single precision with these points.
    fn error<const N: usize, const R: usize, const M: usize>(points: &[f64]) -> f64 {
        const TIMES: usize = 500;
        let (data, filters) = (noise(TIMES * N * N, 1), noise(TIMES * R * R, 2));
        let (b, g, a) = (
            input::<N>(points),
            kernel::<N, R>(points),
            output::<N, M>(points),
        );
        let a_transposed: [[f32; N]; M] = from_fn(|y| from_fn(|p| a[p][y]));
        let mut sum = 0.0;
        for (x, w) in data.chunks(N * N).zip(filters.chunks(R * R)) {
            let x: [[f32; N]; N] = from_fn(|y| from_fn(|column| x[y * N + column]));
            let w: [[f32; R]; R] = from_fn(|y| from_fn(|column| w[y * R + column]));
            let (v, u) = (around(&b, &x), around(&g, &w));
            let products: [[f32; N]; N] = from_fn(|i| from_fn(|j| v[i][j] * u[i][j]));
            let found = around(&a_transposed, &products);
            for y in 0..M * M {
                let (y, column) = (y / M, y % M);
                let product = |tap: usize| {
                    let (i, j) = (tap / R, tap % R);
                    f64::from(w[i][j]) * f64::from(x[y + i][column + j])
                };
                let exact: f64 = (0..R * R).map(product).sum();
                sum += (f64::from(found[y][column]) - exact).powi(2);
            }
        }
        (sum / (TIMES * M * M) as f64).sqrt()
    }

    #[test]
    fn the_points_are_more_precise_than_the_usual_ones() {
        let usual = error::<6, 3, 4>(&[0.0, 1.0, -1.0, 2.0, -2.0]);
        let ours = error::<6, 3, 4>(&[0.0, 0.625, -0.625, 1.5, -1.5]);
        assert!(ours < 0.7 * usual, "{ours:e}, usually {usual:e}");
        let usual = error::<5, 2, 4>(&[0.0, 1.0, -1.0, 2.0]);
        let ours = error::<5, 2, 4>(&[0.5, -0.5, 1.5, -1.5]);
        assert!(ours < 0.7 * usual, "{ours:e}, usually {usual:e}");
    }
}
