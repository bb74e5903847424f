//! Net benefit of decisions (Vickers and Elkin, 2006).

use contract::analysis::NetBenefit;

/// Number of thresholds of a decision curve: 0.01 to 0.99.
const THRESHOLDS: u32 = 99;

/// Returns the net benefit at the thresholds 0.01, 0.02, …, 0.99. `prevalence` is the share of positive examples that
/// decisions are made for; `None` for that among the examples. An example is treated if its score, shifted to the
/// prevalence ([`shifted`]), is at least the threshold: a threshold is a risk at which a patient would be treated, and a
/// score that is right among the examples is no risk where the prevalence is another. `None` unless both classes occur.
///
/// With the prevalence π and the threshold p, the net benefit is sensitivity · π − (1 − specificity) · (1 − π) · w,
/// where w = p / (1 − p) is the number of true positives that one false positive costs.
pub fn net_benefits(
    scores: &[f32],
    is_positive: &[bool],
    prevalence: Option<f64>,
) -> Option<Vec<NetBenefit>> {
    let sorted = |wanted: bool| {
        let members = scores.iter().zip(is_positive);
        let mut members: Vec<f32> = members
            .filter(|(_, is)| **is == wanted)
            .map(|(score, _)| *score)
            .collect();
        members.sort_by(f32::total_cmp);
        members
    };
    let (positives, negatives) = (sorted(true), sorted(false));
    if positives.is_empty() || negatives.is_empty() {
        return None;
    }
    let observed = positives.len() as f64 / scores.len() as f64;
    let assumed = prevalence.unwrap_or(observed);
    let at = |step: u32| {
        let threshold = f64::from(step) / f64::from(THRESHOLDS + 1);
        // The score that is shifted to the threshold.
        let least = match prevalence {
            Some(prevalence) => shifted(threshold, [prevalence, observed]),
            None => threshold,
        };
        let weight = threshold / (1.0 - threshold);
        let treated = |members: &[f32]| {
            let below = members.partition_point(|&score| score < least as f32);
            (members.len() - below) as f64 / members.len() as f64
        };
        NetBenefit {
            threshold,
            model: treated(&positives) * assumed - treated(&negatives) * (1.0 - assumed) * weight,
            all: assumed - (1.0 - assumed) * weight,
        }
    };
    Some((1..=THRESHOLDS).map(at).collect())
}

/// Shifts a probability from one prevalence to another by Bayes' theorem: its odds are multiplied by the ratio of the
/// odds of the prevalences. This holds if images of either class look the same at both. Prevalences are above 0 and below
/// 1.
pub fn shifted(probability: f64, [from, to]: [f64; 2]) -> f64 {
    let ratio = to / (1.0 - to) * ((1.0 - from) / from);
    let odds = ratio * probability;
    odds / (odds + 1.0 - probability)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{net_benefits, shifted};

    /// 60 examples, 28 of them positive.
    fn examples() -> (Vec<f32>, Vec<bool>) {
        let is_positive: Vec<bool> = (0..60).map(|i| (i * i + i / 3) % 5 < 2).collect();
        let scores = (0..60)
            .map(|i| ((i * 11 + 5) % 37 + if is_positive[i] { 14 } else { 0 }) as f32 / 64.0)
            .collect();
        (scores, is_positive)
    }

    /// dcurves 1.1.7: `dcurves.dca(data, "label", ["score"], thresholds=[…], prevalence=None or 0.05)`, and its formula in
    /// numpy 2.4.6, which gives more digits. For the prevalence 0.05, the odds of the scores were multiplied by
    /// (0.05 / 0.95) / (28 / 32) before, since dcurves takes scores as they are.
    #[test]
    fn agrees_with_dcurves() {
        let (scores, is_positive) = examples();
        for (prevalence, expected) in [
            (
                None,
                &[
                    (1, 0.46144781144781144, 0.4612794612794613),
                    (25, 0.34444444444444444, 0.28888888888888886),
                    (50, 0.2, -0.06666666666666665),
                    (77, 0.016666666666666666, -1.318840579710145),
                ],
            ),
            (
                Some(0.05),
                &[
                    (1, 0.043102904040404046, 0.04040404040404041),
                    (2, 0.034948979591836744, 0.030612244897959186),
                    (5, 0.022544642857142857, 0.0),
                    (10, 0.010714285714285714, -0.05555555555555555),
                ],
            ),
        ] {
            let curve = net_benefits(&scores, &is_positive, prevalence).unwrap();
            assert_eq!(curve.len(), 99);
            for &(step, model, all) in expected {
                let found = curve[step - 1];
                assert!((found.threshold - step as f64 / 100.0).abs() < 1e-15);
                assert!((found.model - model).abs() < 1e-12, "{found:?}");
                assert!((found.all - all).abs() < 1e-12, "{found:?}");
            }
        }
    }

    proptest! {
        /// A threshold of shifted probabilities treats the same examples as the threshold that is shifted to it, and the
        /// benefit changes by the ratio of the prevalences only.
        #[test]
        fn properties(prevalence in 0.01f64..0.99, step in 0usize..99, p in 0.001f64..0.999) {
            let (scores, is_positive) = examples();
            let observed = 28.0 / 60.0;
            let back = shifted(shifted(p, [observed, prevalence]), [prevalence, observed]);
            prop_assert!((back - p).abs() < 1e-12);
            prop_assert!((shifted(observed, [observed, prevalence]) - prevalence).abs() < 1e-12);
            let found = net_benefits(&scores, &is_positive, Some(prevalence)).unwrap()[step];
            let least = shifted(found.threshold, [prevalence, observed]);
            let treated = |wanted: bool| {
                let members = scores.iter().zip(&is_positive).filter(|(_, is)| **is == wanted);
                members.filter(|(score, _)| **score >= least as f32).count() as f64
            };
            let as_observed = (treated(true) - treated(false) * least / (1.0 - least)) / 60.0;
            prop_assert!((found.model - as_observed * prevalence / observed).abs() < 1e-9);
        }
    }

    /// The threshold 0.7 is a little above the nearest f32, which is how scores are stored.
    #[test]
    fn a_score_at_the_threshold_is_treated() {
        let curve = net_benefits(&[0.7, 0.2], &[true, false], None).unwrap();
        assert_eq!((curve[69].model, curve[70].model), (0.5, 0.0));
        assert!(net_benefits(&[0.7, 0.2], &[true, true], None).is_none());
    }
}
