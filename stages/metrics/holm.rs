//! Corrects p-values for multiple tests.

/// Returns `p_values`, in their order, corrected for their number. If every corrected p below α is called
/// significant, the probability of even one false positive is at most α, however the tests depend on one
/// another (Holm, 1979).
///
/// The i-th smallest (from 0) of m is multiplied by m − i. The result is at least as large as those before
/// it, and at most 1.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut corrected = vec![0.0; p_values.len()];
    let mut least: f64 = 0.0;
    for (rank, &place) in order.iter().enumerate() {
        let left = (p_values.len() - rank) as f64;
        least = least.max((left * p_values[place]).min(1.0));
        corrected[place] = least;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::holm;

    /// statsmodels 0.15.0: `statsmodels.stats.multitest.multipletests(p, method="holm")[1]`.
    #[test]
    fn agrees_with_statsmodels() {
        let cases: [(&[f64], &[f64]); 4] = [
            (&[0.01, 0.04, 0.03, 0.005], &[0.03, 0.06, 0.06, 0.02]),
            (
                &[0.2, 0.0004, 0.9, 0.03, 0.03, 0.6],
                &[0.6, 0.0024, 1.0, 0.15, 0.15, 1.0],
            ),
            (&[0.5], &[0.5]),
            (&[0.01, 0.01, 0.01], &[0.03, 0.03, 0.03]),
        ];
        for (p_values, expected) in cases {
            for (ours, theirs) in holm(p_values).iter().zip(expected) {
                assert!((ours - theirs).abs() < 1e-12, "{p_values:?}: {ours}");
            }
        }
        assert!(holm(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn never_smaller_never_above_one_and_in_the_same_order(
            p_values in prop::collection::vec(0.0..=1.0f64, 0..12),
        ) {
            let corrected = holm(&p_values);
            for (i, &p) in p_values.iter().enumerate() {
                prop_assert!(p <= corrected[i] && corrected[i] <= 1.0);
                for (j, &other) in p_values.iter().enumerate() {
                    prop_assert!(p > other || corrected[i] <= corrected[j]);
                }
            }
        }

        #[test]
        fn is_at_most_the_bonferroni_correction(p_values in prop::collection::vec(0.0..=1.0f64, 1..12)) {
            let count = p_values.len() as f64;
            let smallest = p_values.iter().copied().fold(1.0, f64::min);
            let corrected = holm(&p_values);
            let least = corrected.iter().copied().fold(1.0, f64::min);
            prop_assert_eq!(least, (count * smallest).min(1.0));
            for (ours, p) in corrected.iter().zip(&p_values) {
                prop_assert!(*ours <= (count * p).min(1.0));
            }
        }

        #[test]
        fn keeps_the_order_of_the_tests(p_values in prop::collection::vec(0.0..=1.0f64, 0..12)) {
            let mut reversed: Vec<f64> = p_values.iter().rev().copied().collect();
            reversed = holm(&reversed);
            reversed.reverse();
            prop_assert_eq!(holm(&p_values), reversed);
        }
    }
}
