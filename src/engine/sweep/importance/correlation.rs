//! Spearman's rank correlation.

/// Spearman's ρ: Pearson's correlation of the ranks, where equal numbers have their mean rank. `None` if
/// either side does not vary.
pub(in crate::sweep) fn spearman(left: &[f64], right: &[f64]) -> Option<f64> {
    let (left, right) = (ranks(left), ranks(right));
    let middle = (left.len() as f64 + 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| (a - middle) * (b - middle)).sum()
    };
    let scale = (product(&left, &left) * product(&right, &right)).sqrt();
    (scale > 0.0).then(|| (product(&left, &right) / scale).clamp(-1.0, 1.0))
}

/// Returns ranks from 1. Halves are exact, so constant values have ranks with a variance of exactly 0.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = start as f64 + (equal.len() as f64 + 1.0) / 2.0;
        for &index in equal {
            ranks[index] = mean;
        }
        start += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::spearman;

    const Y: [f64; 12] = [
        0.91, 0.89, 0.93, 0.80, 0.82, 0.79, 0.85, 0.88, 0.84, 0.90, 0.81, 0.86,
    ];

    fn close(value: Option<f64>, expected: f64) {
        let value = value.unwrap();
        assert!((value - expected).abs() < 1e-12, "{value} != {expected}");
    }

    /// From `scipy.stats.spearmanr(x, y).statistic` (SciPy 1.17.1), which gives equal numbers their mean rank.
    #[test]
    fn the_correlation_agrees_with_scipy() {
        let numbers = [
            1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 3e-3, 3e-4,
        ];
        close(spearman(&numbers, &Y), -0.258_741_258_741_258_75);
        let equal = [0.0, 0.0, 0.1, 0.1, 0.2, 0.2, 0.0, 0.1, 0.2, 0.0, 0.1, 0.2];
        close(spearman(&equal, &Y), -0.561_746_776_189_628_5);
    }

    #[test]
    fn numbers_that_do_not_vary_have_no_correlation() {
        assert_eq!(spearman(&[1.0; 12], &Y), None);
        assert_eq!(spearman(&Y, &[0.1; 12]), None);
        assert_eq!(spearman(&[], &[]), None);
    }
}
