//! Computes all measures of a set of predictions, with intervals.

use contract::{Metric, Metrics};

use super::bootstrap::{Bootstrap, intervals};
use super::predictions::{Decision, Predictions};
use super::scored::{Measure, Scored};

/// Computes all measures of `predictions`, by name: `accuracy`, `macro_f1`, `weighted_f1`, `brier`,
/// `log_loss`, and for the class `positive` against all others `f1`, `precision`, `recall`, `specificity`,
/// `roc_auc` and `average_precision`. Their 95 % intervals come from `bootstrap`; without
/// resamples, there are none. A measure that is undefined for these labels is left out.
pub fn measure(
    predictions: &Predictions<'_>,
    decision: Decision,
    positive: usize,
    bootstrap: &Bootstrap,
) -> Metrics {
    let examples = predictions.labels.len();
    if examples == 0 {
        return Metrics::new();
    }
    let scored = Scored::new(predictions, predictions.decide(decision), positive);
    let values = scored.values(&vec![1; examples]);
    let intervals = intervals(bootstrap, |weights| scored.values(weights));
    Measure::ALL
        .iter()
        .zip(values.into_iter().zip(intervals))
        .filter_map(|(measure, (value, interval))| {
            Some((
                measure.name().to_owned(),
                Metric {
                    interval,
                    ..measure.info().measured(value?)
                },
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use contract::random;
    use rand::RngExt;

    use super::{Bootstrap, Decision, Predictions, measure};

    const PROBABILITIES: [f32; 8] = [0.875, 0.125, 0.25, 0.75, 0.5, 0.5, 0.75, 0.25];
    const LABELS: [u32; 4] = [0, 1, 1, 1];

    fn predictions() -> Predictions<'static> {
        Predictions {
            probabilities: &PROBABILITIES,
            labels: &LABELS,
            classes: 2,
        }
    }

    #[test]
    fn metrics_match_a_calculation_by_hand() {
        let decision = Decision::Threshold {
            class: 1,
            threshold: 0.5,
        };
        let metrics = measure(&predictions(), decision, 1, &Bootstrap::of_images(4, 0, 0));
        let value = |name: &str| metrics[name].value;
        assert_eq!(metrics.len(), 11);
        assert_eq!(value("accuracy"), 0.75);
        assert_eq!(value("f1"), 0.8);
        assert_eq!(value("precision"), 1.0);
        assert_eq!(value("recall"), 2.0 / 3.0);
        assert_eq!(value("specificity"), 1.0);
        assert_eq!(value("roc_auc"), 1.0);
        assert_eq!(
            value("brier"),
            (0.125f64.powi(2) + 0.25f64.powi(2) + 0.5f64.powi(2) + 0.75f64.powi(2)) / 4.0
        );
        assert!(metrics.values().all(|metric| metric.interval.is_none()));
    }

    #[test]
    fn undefined_metrics_are_left_out() {
        let predictions = Predictions {
            labels: &[1; 4],
            ..predictions()
        };
        let metrics = measure(
            &predictions,
            Decision::MostProbable,
            1,
            &Bootstrap::of_images(4, 50, 0),
        );
        assert!(!metrics.contains_key("roc_auc"));
        assert!(metrics.values().all(|m| m.value.is_finite()));
        let none = Predictions {
            probabilities: &[],
            labels: &[],
            classes: 2,
        };
        assert!(
            measure(
                &none,
                Decision::MostProbable,
                1,
                &Bootstrap::of_images(0, 50, 0)
            )
            .is_empty()
        );
    }

    #[test]
    fn intervals_enclose_the_value_and_are_repeatable() {
        let mut rng = random::stream(3, "test", [0, 0]);
        let labels: Vec<u32> = (0..300).map(|i| u32::from(i % 8 < 5)).collect();
        let probabilities: Vec<f32> = labels
            .iter()
            .flat_map(|&label| {
                let p = (0.3 + 0.4 * label as f32 + rng.random_range(-0.3..0.3f32)).clamp(0.0, 1.0);
                [1.0 - p, p]
            })
            .collect();
        let predictions = Predictions {
            probabilities: &probabilities,
            labels: &labels,
            classes: 2,
        };
        let decision = Decision::Threshold {
            class: 1,
            threshold: 0.5,
        };
        let metrics = measure(
            &predictions,
            decision,
            1,
            &Bootstrap::of_images(300, 500, 9),
        );
        for (name, metric) in &metrics {
            let [low, high] = metric.interval.unwrap();
            assert!(
                low < metric.value && metric.value < high,
                "{name}: {metric:?}"
            );
            assert!(high - low < 0.2, "{name}: {metric:?}");
        }
        assert_eq!(
            metrics,
            measure(
                &predictions,
                decision,
                1,
                &Bootstrap::of_images(300, 500, 9)
            )
        );
    }

    /// If this fails, results have changed. If the change is intended, increase the version of `evaluate`.
    #[test]
    fn golden_intervals() {
        let labels: Vec<u32> = (0..24).map(|i| u32::from(i % 8 < 5)).collect();
        let scores = (0..24).map(|i| (i * 7919 % 1000) as f32 / 1000.0);
        let probabilities: Vec<f32> = scores.flat_map(|p| [1.0 - p, p]).collect();
        let predictions = Predictions {
            probabilities: &probabilities,
            labels: &labels,
            classes: 2,
        };
        let decision = Decision::Threshold {
            class: 1,
            threshold: 0.5,
        };
        let metrics = measure(
            &predictions,
            decision,
            1,
            &Bootstrap::of_images(24, 200, 42),
        );
        let pinned = |name: &str| (metrics[name].value, metrics[name].interval.unwrap());
        assert_eq!(
            pinned("f1"),
            (0.5185185185185185, [0.2724308300395257, 0.7058823529411765])
        );
        assert_eq!(
            pinned("roc_auc"),
            (
                0.4222222222222222,
                [0.19480468750000002, 0.6521639471639473]
            )
        );
    }
}
