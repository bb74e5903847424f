//! Net benefit of decisions (Vickers and Elkin, 2006).

use contract::analysis::NetBenefit;

/// Number of thresholds of a decision curve: 0.01 to 0.99.
const THRESHOLDS: u32 = 99;

/// Returns the net benefit at the thresholds 0.01, 0.02, …, 0.99. `prevalence` is the share of positive examples that
/// decisions are made for; `None` for that among the examples. An example is treated if its score is at least the
/// threshold. `None` unless both classes occur.
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
    let prevalence = prevalence.unwrap_or(observed);
    let at = |step: u32| {
        let threshold = f64::from(step) / f64::from(THRESHOLDS + 1);
        let weight = threshold / (1.0 - threshold);
        let treated = |members: &[f32]| {
            let below = members.partition_point(|&score| score < threshold as f32);
            (members.len() - below) as f64 / members.len() as f64
        };
        NetBenefit {
            threshold,
            model: treated(&positives) * prevalence
                - treated(&negatives) * (1.0 - prevalence) * weight,
            all: prevalence - (1.0 - prevalence) * weight,
        }
    };
    Some((1..=THRESHOLDS).map(at).collect())
}

#[cfg(test)]
mod tests {
    use super::net_benefits;

    /// dcurves 1.1.7: `dcurves.dca(data, "label", ["score"], thresholds=[0.01, 0.25, 0.5, 0.77], prevalence=None or
    /// 0.05)`, and its formula in numpy 2.4.6, which gives more digits.
    #[test]
    fn agrees_with_dcurves() {
        let is_positive: Vec<bool> = (0..60).map(|i| (i * i + i / 3) % 5 < 2).collect();
        let scores: Vec<f32> = (0..60)
            .map(|i| ((i * 11 + 5) % 37 + if is_positive[i] { 14 } else { 0 }) as f32 / 64.0)
            .collect();
        for (prevalence, expected) in [
            (
                None,
                [
                    (0.46144781144781144, 0.4612794612794613),
                    (0.34444444444444444, 0.28888888888888886),
                    (0.2, -0.06666666666666665),
                    (0.016666666666666666, -1.318840579710145),
                ],
            ),
            (
                Some(0.05),
                [
                    (0.040703914141414145, 0.04040404040404041),
                    (-0.1119047619047619, -0.26666666666666666),
                    (-0.0622767857142857, -0.8999999999999999),
                    (0.0017857142857142857, -3.130434782608696),
                ],
            ),
        ] {
            let curve = net_benefits(&scores, &is_positive, prevalence).unwrap();
            assert_eq!(curve.len(), 99);
            for (step, (model, all)) in [1, 25, 50, 77].into_iter().zip(expected) {
                let found = curve[step - 1];
                assert!((found.threshold - step as f64 / 100.0).abs() < 1e-15);
                assert!((found.model - model).abs() < 1e-12, "{found:?}");
                assert!((found.all - all).abs() < 1e-12, "{found:?}");
            }
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
