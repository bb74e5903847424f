use contract::analysis::Over;
use contract::random;
use rand::RngExt;

use super::{Bootstrap, Decision, Predictions, measure, measure_calibration};
use crate::metrics::Units;

const PROBABILITIES: [f32; 8] = [0.875, 0.125, 0.25, 0.75, 0.5, 0.5, 0.75, 0.25];
const LABELS: [u32; 4] = [0, 1, 1, 1];

fn classes() -> [String; 2] {
    ["A", "B"].map(str::to_owned)
}

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
    let metrics = measure(
        &predictions(),
        &classes(),
        decision,
        1,
        &Bootstrap::of_images(4, 0, 0),
    );
    let value = |name: &str| metrics[name].value;
    // Measures and the support, and for each class those of one class.
    assert_eq!(metrics.len(), 26 + 2 * 10);
    assert_eq!(value("recall[A]"), 1.0);
    assert_eq!(metrics["recall[A]"].of.as_deref(), Some("A"));
    assert_eq!(metrics["f1"].of.as_deref(), Some("B"));
    assert_eq!(metrics["accuracy"].of, None);
    assert_eq!([value("support"), value("support[A]")], [3.0, 1.0]);
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
fn undefined_metrics_are_nan() {
    let predictions = Predictions {
        labels: &[1; 4],
        ..predictions()
    };
    let bootstrap = Bootstrap::of_images(4, 50, 0);
    let metrics = measure(
        &predictions,
        &classes(),
        Decision::MostProbable,
        1,
        &bootstrap,
    );
    for name in ["roc_auc", "macro_roc_auc", "specificity", "recall[A]"] {
        let metric = &metrics[name];
        assert!(metric.value.is_nan() && metric.interval.is_none(), "{name}");
    }
    assert!(metrics["recall"].value.is_finite());
    let none = Predictions {
        probabilities: &[],
        labels: &[],
        classes: 2,
    };
    let none = measure(
        &none,
        &classes(),
        Decision::MostProbable,
        1,
        &Bootstrap::of_images(0, 50, 0),
    );
    let support = |name: &str| name.starts_with("support");
    assert!(
        none.iter()
            .all(|(name, m)| m.value.is_nan() != support(name))
    );
}

#[test]
fn with_many_classes_only_overall_measures_have_intervals() {
    let classes: Vec<String> = (0..21).map(|class| class.to_string()).collect();
    let labels: Vec<u32> = (0..63).map(|image| image % 21).collect();
    // Two images are taken for one of the next class. Without mistakes, no resample would differ from the others.
    let probability = |image: usize, class: usize| {
        let predicted = image + usize::from(image == 0 || image == 20);
        if predicted % 21 == class { 0.6 } else { 0.02 }
    };
    let probabilities: Vec<f32> = (0..63)
        .flat_map(|image| (0..21).map(move |class| probability(image, class)))
        .collect();
    let predictions = Predictions {
        probabilities: &probabilities,
        labels: &labels,
        classes: 21,
    };
    let bootstrap = Bootstrap::of_images(63, 20, 0);
    let metrics = measure(
        &predictions,
        &classes,
        Decision::MostProbable,
        20,
        &bootstrap,
    );
    let has_interval = |name: &str| metrics[name].interval.is_some();
    assert!(has_interval("accuracy") && has_interval("f1"));
    assert!(!has_interval("f1[3]") && !has_interval("macro_roc_auc"));
    assert_eq!(metrics["f1[3]"].value, 1.0);
}

/// All 24 images are classified correctly. statsmodels 0.15.0: `proportion_confint(hits, all, method="wilson")`.
#[test]
fn resamples_that_agree_give_no_interval_except_that_of_a_share() {
    let labels: Vec<u32> = (0..24).map(|i| u32::from(i % 3 == 0)).collect();
    let scores = labels.iter().map(|&label| 0.25 + 0.5 * label as f32);
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
    let of = |units: Units| {
        let bootstrap = Bootstrap {
            units,
            resamples: 100,
            seed: 1,
        };
        measure(&predictions, &classes(), decision, 1, &bootstrap)
    };
    let found = of(Units::images(24));
    for (name, low) in [
        ("accuracy", 0.8620237953250198),
        ("weighted_recall", 0.8620237953250198),
        ("recall", 0.6755924351161198),
        ("specificity[A]", 0.6755924351161198),
    ] {
        let [ours, high] = found[name].interval.unwrap();
        assert!((ours - low).abs() < 1e-12 && high == 1.0, "{name}: {ours}");
        assert!(found[name].resamples_agree && found[name].over == Some(Over::Images));
    }
    for name in [
        "f1",
        "roc_auc",
        "average_precision",
        "macro_recall",
        "lr_negative",
        "brier",
    ] {
        let metric = &found[name];
        assert!(
            metric.interval.is_none() && metric.resamples_agree,
            "{name}: {metric:?}"
        );
        assert_eq!(metric.over, None);
    }
    // The positive likelihood ratio is infinite, and the share of the classes varies.
    assert!(!found["lr_positive"].resamples_agree && !found["brier_uncertainty"].resamples_agree);
    assert!(found["brier_uncertainty"].interval.is_some());
    // Images of a group are not independent.
    let groups: Vec<String> = (0..24).map(|i| (i / 2).to_string()).collect();
    let found = of(Units::groups(&groups));
    assert!(found["accuracy"].interval.is_none() && found["accuracy"].resamples_agree);
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
        &classes(),
        decision,
        1,
        &Bootstrap::of_images(300, 500, 9),
    );
    let measures = metrics
        .iter()
        .filter(|(name, _)| !name.starts_with("support") && !name.starts_with("lr_"));
    for (name, metric) in measures {
        let [low, high] = metric.interval.unwrap();
        assert_eq!(metric.over, Some(Over::Images));
        assert!(
            low < metric.value && metric.value < high,
            "{name}: {metric:?}"
        );
        // The parameters of a regression are no shares.
        let is_share = !name.starts_with("calibration_");
        assert!(!is_share || high - low < 0.2, "{name}: {metric:?}");
    }
    assert_eq!(
        metrics,
        measure(
            &predictions,
            &classes(),
            decision,
            1,
            &Bootstrap::of_images(300, 500, 9)
        )
    );
}

/// Three classes, of which the last has a single image. scikit-learn's `f1_score(average="macro")` of a resample
/// without it is the mean over the other two, which are always right here: 1.
#[test]
fn a_resample_without_one_of_the_classes_has_no_macro_average() {
    let labels = [0, 0, 0, 0, 0, 1, 1, 1, 1, 2];
    let of = |class: u32| (0..3).map(move |c| if c == class { 0.8 } else { 0.1 });
    // The image of the last class is always right, too, and one of the first class is taken for it.
    let predicted = [2, 0, 0, 0, 0, 1, 1, 1, 1, 2];
    let probabilities: Vec<f32> = predicted.into_iter().flat_map(of).collect();
    let predictions = Predictions {
        probabilities: &probabilities,
        labels: &labels,
        classes: 3,
    };
    let classes = ["A", "B", "C"].map(str::to_owned);
    let bootstrap = Bootstrap::of_images(10, 2000, 1);
    let metrics = measure(
        &predictions,
        &classes,
        Decision::MostProbable,
        2,
        &bootstrap,
    );
    // The class is missing in a resample with the probability 0.9^10 = 0.35.
    let recall = &metrics["macro_recall"];
    assert!(
        (620..780).contains(&recall.resamples_left_out),
        "{recall:?}"
    );
    assert!(recall.interval.is_some());
    // It is neither among the labels nor the predictions with 0.8^10 = 0.11.
    let f1 = &metrics["macro_f1"];
    assert!((160..270).contains(&f1.resamples_left_out), "{f1:?}");
    assert_eq!(metrics["accuracy"].resamples_left_out, 0);
    // A weighted average needs only the classes with images.
    assert_eq!(metrics["weighted_recall"].resamples_left_out, 0);
    assert_eq!(
        metrics["weighted_recall"].interval,
        metrics["accuracy"].interval
    );
}

/// Expected values from statsmodels 0.15.0, with `z = log(p) - log(1 - p)`: `Logit(y, add_constant(z)).fit().params`,
/// and the parameter of `GLM(y, ones, family=Binomial(), offset=z)`.
#[test]
fn slope_and_intercept_are_those_of_statsmodels() {
    let score = |i: u32| ((f64::from(i * 37 % 101) + 0.5) / 101.0) as f32;
    let scores: Vec<f32> = (0..100).map(score).collect();
    let is_class = |(i, p): (u32, &f32)| p * 100.0 + (i * i * 13 % 71) as f32 - 35.0 > 45.0;
    let labels: Vec<u32> = (0u32..)
        .zip(&scores)
        .map(|example| u32::from(is_class(example)))
        .collect();
    let probabilities: Vec<f32> = scores.iter().flat_map(|&p| [1.0 - p, p]).collect();
    let predictions = Predictions {
        probabilities: &probabilities,
        labels: &labels,
        classes: 2,
    };
    let bootstrap = Bootstrap::of_images(100, 200, 0);
    let of = |positive| measure_calibration(&predictions, &classes(), positive, &bootstrap);
    let (metrics, others) = (of(1), of(0));
    let value = |name: &str| metrics[name].value;
    assert!((value("calibration_slope") - 2.152_262_094_552_699).abs() < 1e-6);
    assert!((value("calibration_intercept") - 0.743_365_672_530_121_2).abs() < 1e-6);
    // The other class has the same slope and the opposite intercept, and the same bins in reverse.
    for (name, sign) in [
        ("calibration_slope", 1.0),
        ("calibration_intercept", -1.0),
        ("ece", 1.0),
    ] {
        assert!(
            (others[name].value - sign * value(name)).abs() < 1e-6,
            "{name}"
        );
    }
    assert_eq!(metrics["calibration_slope"].of.as_deref(), Some("B"));
    // The intervals of resamples alone would be above the value.
    for name in ["ece", "brier_reliability", "brier_resolution"] {
        let [low, high] = metrics[name].interval.unwrap();
        assert!(
            low < value(name) && value(name) < high,
            "{name}: {:?}",
            metrics[name]
        );
    }
    let sum = value("brier_reliability") - value("brier_resolution") + value("brier_uncertainty");
    assert!((sum - value("brier")).abs() < 1e-7);
}

#[test]
fn the_parts_of_the_brier_score_of_three_classes_add_up_to_it() {
    let probabilities: Vec<f32> = (0..60u32)
        .flat_map(|i| {
            let raw = [0, 1, 2].map(|class| (i * 37 + class * 53) % 29 + 1);
            let sum = raw.iter().sum::<u32>() as f32;
            raw.map(|value| value as f32 / sum)
        })
        .collect();
    let labels: Vec<u32> = (0..60).map(|i| (i * i + i / 3) % 3).collect();
    let predictions = Predictions {
        probabilities: &probabilities,
        labels: &labels,
        classes: 3,
    };
    let classes = ["A", "B", "C"].map(str::to_owned);
    let metrics = measure_calibration(&predictions, &classes, 2, &Bootstrap::of_images(60, 0, 0));
    let value = |name: &str| metrics[name].value;
    let sum = value("brier_reliability") - value("brier_resolution") + value("brier_uncertainty");
    assert!((sum - value("brier")).abs() < 1e-7, "{sum}");
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
        &classes(),
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
