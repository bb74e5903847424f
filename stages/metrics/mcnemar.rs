//! Tests whether two classifiers make equally many mistakes.

use contract::analysis::{Distribution, McNemar};
use statrs::distribution::{Binomial, ChiSquared, ContinuousCDF, DiscreteCDF};

/// Least number of discordant pairs for which the chi-square distribution is close enough to the exact one.
const ENOUGH: u64 = 25;

/// Runs McNemar's test, given which examples each of two classifiers classified correctly.
pub fn mcnemar(right_a: &[bool], right_b: &[bool]) -> McNemar {
    let pairs = || right_a.iter().zip(right_b);
    let only_a = pairs().filter(|&(a, b)| *a && !b).count() as u64;
    let only_b = pairs().filter(|&(a, b)| !a && *b).count() as u64;
    mcnemar_of_counts(only_a, only_b)
}

/// Runs McNemar's test, given the numbers of discordant pairs.
pub fn mcnemar_of_counts(only_a: u64, only_b: u64) -> McNemar {
    let (by, p) = if only_a + only_b < ENOUGH {
        (Distribution::Binomial, binomial(only_a, only_b))
    } else {
        (Distribution::ChiSquare, chi_square(only_a, only_b))
    };
    McNemar {
        only_a,
        only_b,
        by,
        p,
    }
}

/// Returns the p-value of the exact two-sided test: twice the probability of at most `min(only_a, only_b)` heads in
/// `only_a + only_b` tosses of a fair coin. The result is at most 1.
fn binomial(only_a: u64, only_b: u64) -> f64 {
    let tosses = Binomial::new(0.5, only_a + only_b).expect("½ is a probability");
    (2.0 * tosses.cdf(only_a.min(only_b))).min(1.0)
}

/// Returns the chi-square distribution's upper tail at (|a − b| − 1)² / (a + b). Equal counts are not corrected
/// and give 1.
fn chi_square(only_a: u64, only_b: u64) -> f64 {
    let corrected = only_a.abs_diff(only_b).saturating_sub(1) as f64;
    let statistic = corrected.powi(2) / (only_a + only_b) as f64;
    ChiSquared::new(1.0)
        .expect("one degree of freedom is positive")
        .sf(statistic)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Distribution, mcnemar, mcnemar_of_counts};

    /// statsmodels 0.15.0, with the counts `b` and `c` below:
    /// `statsmodels.stats.contingency_tables.mcnemar([[100, b], [c, 50]], exact=b + c < 25,
    /// correction=True).pvalue`.
    #[test]
    fn agrees_with_statsmodels() {
        use Distribution::{Binomial, ChiSquare};
        let cases = [
            (0, 0, Binomial, 1.0),
            (1, 0, Binomial, 1.0),
            (5, 5, Binomial, 1.0),
            (3, 9, Binomial, 0.14599609375),
            (0, 12, Binomial, 0.00048828125),
            (10, 14, Binomial, 0.5412561893463135),
            (4, 20, Binomial, 0.001543879508972168),
            (12, 13, ChiSquare, 1.0),
            (10, 15, ChiSquare, 0.4237107971667936),
            (5, 30, ChiSquare, 4.976233487907417e-05),
            (40, 61, ChiSquare, 0.04658274252301569),
            (100, 160, ChiSquare, 0.00025317696951544154),
            (0, 300, ChiSquare, 8.969795738121836e-67),
        ];
        for (only_a, only_b, by, p) in cases {
            let found = mcnemar_of_counts(only_a, only_b);
            assert_eq!(found.by, by, "{found:?}");
            assert!((found.p - p).abs() <= 1e-9 * p, "{found:?}, not {p}");
        }
    }

    /// statsmodels corrects equal counts too, and gives 0.96 here.
    #[test]
    fn equal_counts_are_no_difference() {
        assert_eq!(mcnemar_of_counts(200, 200).p, 1.0);
    }

    #[test]
    fn only_discordant_pairs_count() {
        let a = [true, true, false, false, true];
        let b = [true, false, true, false, false];
        let test = mcnemar(&a, &b);
        assert_eq!((test.only_a, test.only_b), (2, 1));
        assert_eq!(test, mcnemar_of_counts(2, 1));
    }

    proptest! {
        #[test]
        fn sides_may_be_swapped(only_a in 0..400u64, only_b in 0..400u64) {
            let (there, back) = (mcnemar_of_counts(only_a, only_b), mcnemar_of_counts(only_b, only_a));
            prop_assert_eq!(there.p, back.p);
            prop_assert!(0.0 < there.p && there.p <= 1.0);
        }

        #[test]
        fn a_larger_difference_is_less_likely(both in 1..400u64, share in 0.0..0.5f64) {
            let few = (both as f64 * share) as u64;
            let p = |only_a| mcnemar_of_counts(only_a, both - only_a).p;
            prop_assert!(few == 0 || p(few - 1) <= p(few));
        }
    }
}
