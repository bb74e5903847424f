//! Tests whether a measure is the same in several independent groups of examples.

use statrs::distribution::{ChiSquared, ContinuousCDF, Discrete, Hypergeometric};

/// Least expected count of a cell for the chi-square distribution to be close enough to the exact one.
const LEAST_EXPECTED: f64 = 5.0;

/// A part of a whole: the number of hits and the number of all examples.
type Share = (u64, u64);

/// Tests whether shares are equal: with Fisher's exact test (1935) for two shares, and with Pearson's chi-square test
/// for more. Returns the two-sided p-value. `None` if there are fewer than two shares, if a share is 0/0, or if
/// expected counts are below 5 with more than two shares.
pub fn equal_shares(shares: &[Share]) -> Option<f64> {
    if shares.iter().any(|&(_, all)| all == 0) {
        return None;
    }
    match shares {
        [] | [_] => None,
        [a, b] => Some(fisher(*a, *b)),
        more => pearson(more),
    }
}

/// Returns the probability of all tables with the same margins that are at most as likely as the observed one.
fn fisher((hits_a, all_a): Share, (hits_b, all_b): Share) -> f64 {
    let hits = hits_a + hits_b;
    let table = Hypergeometric::new(all_a + all_b, hits, all_a).expect("the parts fit the whole");
    let observed = table.pmf(hits_a);
    let possible = hits.saturating_sub(all_b)..=hits.min(all_a);
    // Tables that are equally likely differ by rounding errors.
    let as_unlikely = possible
        .map(|count| table.pmf(count))
        .filter(|p| *p <= observed * (1.0 + 1e-7));
    as_unlikely.sum::<f64>().min(1.0)
}

fn pearson(shares: &[Share]) -> Option<f64> {
    let hits: u64 = shares.iter().map(|(hits, _)| hits).sum();
    let all: u64 = shares.iter().map(|(_, all)| all).sum();
    let rate = hits as f64 / all as f64;
    let mut statistic = 0.0;
    for &(hits, all) in shares {
        let expected = [rate * all as f64, (1.0 - rate) * all as f64];
        let found = [hits as f64, (all - hits) as f64];
        for (found, expected) in found.into_iter().zip(expected) {
            if expected < LEAST_EXPECTED {
                return None;
            }
            statistic += (found - expected).powi(2) / expected;
        }
    }
    Some(chi_square(statistic, shares.len() - 1))
}

/// Tests whether independent estimates, each with its variance, are of the same number (Cochran's Q, 1954). Returns the
/// p-value; `None` if there are fewer than two estimates.
pub fn equal_estimates(estimates: &[(f64, f64)]) -> Option<f64> {
    if estimates.len() < 2 {
        return None;
    }
    let weights: f64 = estimates.iter().map(|(_, variance)| 1.0 / variance).sum();
    let weighted: f64 = estimates.iter().map(|(value, v)| value / v).sum();
    let mean = weighted / weights;
    let squares = estimates
        .iter()
        .map(|(value, variance)| (value - mean).powi(2) / variance);
    Some(chi_square(squares.sum(), estimates.len() - 1))
}

/// Returns the upper tail of the chi-square distribution.
fn chi_square(statistic: f64, freedom: usize) -> f64 {
    ChiSquared::new(freedom as f64)
        .expect("degrees of freedom are positive")
        .sf(statistic)
}

#[cfg(test)]
mod tests {
    use super::{equal_estimates, equal_shares};

    fn close(ours: Option<f64>, expected: f64) {
        let ours = ours.unwrap();
        assert!((ours - expected).abs() < 1e-9, "{ours}, not {expected}");
    }

    /// scipy 1.17.1: `scipy.stats.fisher_exact([[a, m - a], [b, n - b]]).pvalue`.
    #[test]
    fn two_shares_agree_with_scipy() {
        for (shares, p) in [
            ([(3, 10), (8, 12)], 0.19838056680161942),
            ([(5, 5), (4, 9)], 0.08591408591408592),
            ([(0, 4), (0, 7)], 1.0),
            ([(40, 50), (90, 130)], 0.19356955767883122),
        ] {
            close(equal_shares(&shares), p);
        }
    }

    /// scipy 1.17.1: `scipy.stats.chi2_contingency([[30, 20], [22, 18], [45, 15]], correction=False).pvalue`.
    #[test]
    fn three_shares_agree_with_scipy() {
        close(
            equal_shares(&[(30, 50), (22, 40), (45, 60)]),
            0.0855906404337013,
        );
    }

    /// statsmodels 0.15.0: `statsmodels.stats.meta_analysis.combine_effects([0.9, 0.8, 0.86], [0.0009, 0.0016,
    /// 0.0004]).test_homogeneity().pvalue`.
    #[test]
    fn estimates_agree_with_statsmodels() {
        let estimates = [(0.9, 0.0009), (0.8, 0.0016), (0.86, 0.0004)];
        close(equal_estimates(&estimates), 0.13423051157445637);
        assert_eq!(equal_estimates(&estimates[..1]), None);
    }

    #[test]
    fn too_few_examples_are_not_tested() {
        assert_eq!(equal_shares(&[(1, 2), (0, 0)]), None);
        assert_eq!(equal_shares(&[(1, 2)]), None);
        assert_eq!(equal_shares(&[(4, 8), (3, 9), (5, 8)]), None);
        assert_eq!(equal_shares(&[(9, 9), (9, 9), (9, 9)]), None);
    }
}
