use contract::analysis::{Evaluation, Figure, Interval, Over};
use contract::{Metrics, random};
use proptest::prelude::*;
use rand::RngExt;
use serde_json::json;

use super::figures;
use crate::figures::svg;
use crate::metrics::average_precision;

/// Creates an evaluation of two classes from labels and probabilities of the positive class, `b`.
fn evaluation(labels: &[u32], scores: &[f32]) -> Evaluation {
    Evaluation {
        names: (0..labels.len()).map(|i| format!("{i}.png")).collect(),
        pixels: None,
        groups: Vec::new(),
        folds: Vec::new(),
        labels: labels.to_vec(),
        predicted: scores
            .iter()
            .map(|&score| u32::from(score >= 0.5))
            .collect(),
        probabilities: scores
            .iter()
            .flat_map(|&score| [1.0 - score, score])
            .collect(),
        classes: vec!["a".to_owned(), "b".to_owned()],
        positive: 1,
        threshold: Some((1, 0.5)),
        threshold_rule: None,
    }
}

fn small() -> Evaluation {
    evaluation(&[0, 0, 1, 1, 1], &[0.125, 0.75, 0.25, 0.5, 1.0])
}

#[test]
fn curves_match_a_calculation_by_hand() {
    let found = figures(&small(), &Metrics::new());
    let roc = found.roc.unwrap();
    let third = 1.0 / 3.0;
    assert_eq!(
        roc.points,
        [
            (0.0, 0.0),
            (0.0, third),
            (0.5, third),
            (0.5, 1.0),
            (1.0, 1.0)
        ]
    );
    assert_eq!(roc.area.value, 4.0 / 6.0);
    assert_eq!(roc.area.interval, None);
    let point = roc.operating.unwrap();
    assert_eq!(
        (point.rule.as_str(), point.at),
        ("threshold 0.500", (0.5, 2.0 / 3.0))
    );

    let precision_recall = found.precision_recall.unwrap();
    let at = precision_recall.operating.unwrap().at;
    assert_eq!(at, (2.0 / 3.0, 2.0 / 3.0));
    assert_eq!(precision_recall.prevalence, 0.6);
    assert_eq!(precision_recall.points.first(), Some(&(0.0, 1.0)));
    assert_eq!(precision_recall.points.last(), Some(&(1.0, 0.6)));

    let confusion = found.confusion.unwrap();
    assert_eq!(confusion.counts, [[1, 1], [1, 2]]);

    let reliability = found.reliability.unwrap();
    let [curve] = reliability.curves.as_slice() else {
        panic!("{reliability:?}");
    };
    let bins = curve.bins.iter();
    let bins: Vec<(u64, f64, f64)> = bins
        .map(|bin| (bin.images, bin.predicted, bin.observed))
        .collect();
    let expected = [
        (1, 0.125, 0.0),
        (1, 0.25, 1.0),
        (1, 0.5, 1.0),
        (1, 0.75, 0.0),
        (1, 1.0, 1.0),
    ];
    assert_eq!(bins, expected);
    assert_eq!(curve.ece.value, (0.125 + 0.75 + 0.5 + 0.75) / 5.0);
    assert_eq!(curve.histogram.iter().sum::<u64>(), 5);
}

#[test]
fn measured_metrics_have_precedence_because_of_their_intervals() {
    let metrics: Metrics = serde_json::from_value(json!({
        "roc_auc": { "value": 0.5, "interval": [0.25, 0.75], "direction": "maximize" },
        "ece": { "value": null, "direction": "minimize" },
    }))
    .unwrap();
    let mut grouped = small();
    grouped.groups = vec!["patient".to_owned(); 5];
    let found = figures(&grouped, &metrics);
    let area = found.roc.unwrap().area;
    let interval = Interval {
        ends: [0.25, 0.75],
        over: Over::Groups,
    };
    assert_eq!((area.value, area.interval), (0.5, Some(interval)));
    // An undefined metric is computed.
    assert!(found.reliability.unwrap().curves[0].ece.value.is_finite());
}

#[test]
fn curves_need_both_classes_and_points_need_predictions() {
    for labels in [[0; 2], [1; 2]] {
        let found = figures(&evaluation(&labels, &[0.25, 0.75]), &Metrics::new());
        assert_eq!((found.roc, found.precision_recall), (None, None));
        assert!(found.reliability.is_some() && found.confusion.is_some());
    }
    let none = figures(&evaluation(&[], &[]), &Metrics::new());
    assert_eq!((none.roc, none.reliability), (None, None));
    // Nothing is predicted positive: there is no precision.
    let timid = figures(&evaluation(&[0, 1], &[0.25, 0.375]), &Metrics::new());
    assert_eq!(timid.precision_recall.unwrap().operating, None);
    assert_eq!(timid.roc.unwrap().operating.unwrap().at, (0.0, 0.0));
}

#[test]
fn one_of_three_classes_is_compared_with_the_others() {
    let mut three = small();
    three.classes.push("c".to_owned());
    three.threshold = None;
    three.labels = vec![0, 1, 2];
    three.predicted = vec![0, 2, 2];
    three.probabilities = vec![0.5, 0.25, 0.25, 0.25, 0.25, 0.5, 0.0, 0.25, 0.75];
    three.positive = 2;
    let found = figures(&three, &Metrics::new());
    assert_eq!(
        found.roc.unwrap().operating.unwrap().rule,
        "most probable class"
    );
    assert_eq!(
        found.confusion.unwrap().counts,
        [[1, 0, 0], [0, 0, 1], [0, 0, 1]]
    );
    // Two images have the probability 0.25 and 0.5, and are not of the class; one has 0.75, and is.
    let ece = found.reliability.unwrap().curves[0].ece.value;
    assert!((ece - 1.0 / 3.0).abs() < 1e-12, "{ece}");
}

#[test]
fn there_is_no_matrix_of_thousands_of_classes() {
    let mut many = small();
    many.classes = (0..100_000).map(|i| format!("class {i}")).collect();
    many.probabilities = Vec::new();
    many.labels = Vec::new();
    many.predicted = Vec::new();
    assert_eq!(figures(&many, &Metrics::new()).confusion, None);
}

#[test]
fn the_curves_of_many_images_make_small_figures() {
    let mut rng = random::stream(3, "test", [0, 0]);
    let labels: Vec<u32> = (0..100_000).map(|i| u32::from(i % 8 < 5)).collect();
    let scores: Vec<f32> = labels
        .iter()
        .map(|&label| {
            let noise: f32 = (0..4).map(|_| rng.random_range(-0.4..0.4)).sum();
            (0.3 + 0.4 * label as f32 + noise).clamp(0.0, 1.0)
        })
        .collect();
    let found = figures(&evaluation(&labels, &scores), &Metrics::new());
    let (roc, precision_recall) = (found.roc.unwrap(), found.precision_recall.unwrap());
    for figure in [
        Figure::Roc(&roc),
        Figure::PrecisionRecall(&precision_recall),
    ] {
        let size = svg(&figure, "x").unwrap().len();
        assert!(size < 20_000, "{size}");
    }
}

proptest! {
    /// Points that are left out change the area by less than the tolerance.
    #[test]
    fn properties(examples in prop::collection::vec((0u8..2, 0u8..40), 2..300)) {
        let (labels, scores): (Vec<u32>, Vec<f32>) = examples
            .into_iter()
            .map(|(label, score)| (u32::from(label), f32::from(score) / 39.0))
            .unzip();
        let is_positive: Vec<bool> = labels.iter().map(|&label| label == 1).collect();
        let found = figures(&evaluation(&labels, &scores), &Metrics::new());
        if let Some(curve) = found.precision_recall {
            let area: f64 = curve.points.windows(2).map(|w| (w[1].0 - w[0].0) * (w[1].1 + w[0].1) / 2.0).sum();
            let expected = average_precision(&scores, &is_positive).unwrap();
            prop_assert!((area - expected).abs() < 2e-3, "{} {}", area, expected);
        }
        if let Some(roc) = found.roc {
            let area: f64 = roc.points.windows(2).map(|w| (w[1].0 - w[0].0) * (w[1].1 + w[0].1) / 2.0).sum();
            prop_assert!((area - roc.area.value).abs() < 2e-3);
        }
        let curve = found.reliability.unwrap().curves.remove(0);
        let images: u64 = curve.bins.iter().map(|bin| bin.images).sum();
        prop_assert_eq!(images, labels.len() as u64);
    }
}
