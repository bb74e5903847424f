//! Finds metrics that cannot be meaningful.

use std::collections::BTreeSet;

use contract::{Metric, Metrics, class_of};

use super::report::Report;
use crate::data::absent_classes;

/// Number of groups below which intervals by resampling groups are clearly too narrow.
const FEW_GROUPS: usize = 20;

/// Share of resamples without a value from which on a metric is named in a warning.
const OFTEN: f64 = 0.05;

/// Lists reasons why the metrics mean little: classes without images, the same score or class for all images, a
/// ROC AUC that may be chance, few groups, or intervals that leave out many of the `resamples`.
pub(super) fn of_metrics(report: &Report<'_>, metrics: &Metrics, resamples: usize) -> Vec<String> {
    let predictions = report.predictions;
    let images = predictions.labels.len();
    if images == 0 {
        return vec!["there is no image to measure on, so all metrics are undefined".to_owned()];
    }
    let mut warnings = Vec::new();
    let absent = absent_classes(report.classes, predictions.labels);
    if let Some(absent) = &absent {
        warnings.push(format!(
            "no image of {absent} among the {images} to measure on: the metrics do not cover all classes"
        ));
    }
    let groups = report.groups.iter().collect::<BTreeSet<_>>().len();
    if (1..FEW_GROUPS).contains(&groups) {
        let s = if groups == 1 { "" } else { "s" };
        warnings.push(format!(
            "the {images} images to measure on form only {groups} group{s}: with so few, intervals are too narrow and \
             p-values too small"
        ));
    }
    warnings.extend(left_out(metrics, resamples));
    let mut rows = predictions.probabilities.chunks_exact(predictions.classes);
    let first = rows.next().unwrap_or_default();
    if images > 1 && rows.all(|row| row == first) {
        let score = first[report.positive];
        warnings.push(format!(
            "all {images} images got the score {score}: the model does not distinguish the classes"
        ));
        return warnings;
    }
    let decided = predictions.decide(report.decision);
    if absent.is_none() && decided.iter().all(|class| *class == decided[0]) {
        let class = &report.classes[decided[0] as usize];
        warnings.push(format!("all {images} images were classified as `{class}`"));
    }
    if let Some(auc) = metrics.get("roc_auc")
        && let Some([low, high]) = auc.interval
        && (low..=high).contains(&0.5)
    {
        warnings.push(format!(
            "the ROC AUC of {:.3} has the interval [{low:.3}, {high:.3}], which contains 0.5: the order of the \
             scores may be chance",
            auc.value
        ));
    }
    warnings
}

/// Names the metrics of all classes and of the positive class that are undefined for many resamples.
fn left_out(metrics: &Metrics, resamples: usize) -> Option<String> {
    let share = |metric: &Metric| metric.resamples_left_out as f64 / resamples.max(1) as f64;
    let often = metrics
        .iter()
        .filter(|(name, metric)| class_of(name).is_none() && share(metric) >= OFTEN);
    let often: Vec<(&String, &Metric)> = often.collect();
    let most = often
        .iter()
        .map(|(_, metric)| share(metric))
        .reduce(f64::max)?;
    let names: Vec<String> = often.iter().map(|(name, _)| format!("`{name}`")).collect();
    let none = often.iter().filter(|(_, metric)| metric.interval.is_none());
    let none: Vec<String> = none.map(|(name, _)| format!("`{name}`")).collect();
    let without = match none.as_slice() {
        [] => String::new(),
        none => format!("; there is no interval of {}", none.join(", ")),
    };
    Some(format!(
        "resamples that do not define {} are left out of intervals (up to {:.0} %), because few images are of a class or \
         were classified as it{without}",
        names.join(", "),
        100.0 * most
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Bootstrap, Decision, Predictions, measure};

    fn of(scores: &[f32], labels: &[u32]) -> Vec<String> {
        of_groups(scores, labels, &[])
    }

    fn of_groups(scores: &[f32], labels: &[u32], groups: &[String]) -> Vec<String> {
        let probabilities: Vec<f32> = scores.iter().flat_map(|&p| [1.0 - p, p]).collect();
        let classes = ["A", "B"].map(str::to_owned);
        let predictions = Predictions {
            probabilities: &probabilities,
            labels,
            classes: 2,
        };
        let decision = Decision::Threshold {
            class: 1,
            threshold: 0.5,
        };
        let metrics = measure(
            &predictions,
            &classes,
            decision,
            1,
            &Bootstrap::of_images(predictions.labels.len(), 200, 7),
        );
        let report = Report {
            classes: &classes,
            positive: 1,
            decision,
            rule: None,
            predictions,
            groups,
            pixels: None,
        };
        of_metrics(&report, &metrics, 200)
    }

    #[test]
    fn few_groups_give_a_warning() {
        let apart: Vec<f32> = (0..40).map(|i| i as f32 / 40.0).collect();
        let halves: Vec<u32> = (0..40).map(|i| u32::from(i >= 20)).collect();
        let of_patients = |images: usize| {
            let patients: Vec<String> = (0..40).map(|i| (i / images).to_string()).collect();
            of_groups(&apart, &halves, &patients)
        };
        assert_eq!(of_patients(2), [""; 0]);
        assert!(of_patients(3)[0].contains("form only 14 groups: "));
    }

    #[test]
    fn resamples_that_are_left_out_give_a_warning() {
        // A single image is classified as positive: a resample lacks it with the probability (39/40)^40 = 0.36.
        let mut scores = vec![0.1; 40];
        scores[39] = 0.9;
        let halves: Vec<u32> = (0..40).map(|i| u32::from(i >= 20)).collect();
        let found = of(&scores, &halves);
        let expected = "resamples that do not define `macro_precision`, `precision`, `weighted_precision` are left out \
                        of intervals (up to 3";
        assert!(found[0].starts_with(expected), "{found:?}");
        assert!(!found[0].contains("there is no interval"), "{found:?}");
    }

    #[test]
    fn metrics_that_mean_little_give_warnings() {
        let apart: Vec<f32> = (0..40).map(|i| i as f32 / 40.0).collect();
        let halves: Vec<u32> = (0..40).map(|i| u32::from(i >= 20)).collect();
        let mixed: Vec<u32> = (0..40).map(|i| i % 2).collect();
        let low: Vec<f32> = apart.iter().map(|p| p / 4.0).collect();
        for (scores, labels, expected) in [
            (&apart, &halves, &[][..]),
            (
                &vec![0.25; 40],
                &halves,
                &["all 40 images got the score 0.25: "],
            ),
            (&low, &halves, &["all 40 images were classified as `A`"]),
            (&apart, &mixed, &["the ROC AUC of 0.5"]),
            (&apart, &vec![1; 40], &["no image of `A` among the 40 "]),
            (&Vec::new(), &Vec::new(), &["there is no image "]),
            // A single image cannot differ from another.
            (&vec![0.9], &vec![1], &["no image of `A` among the 1 "]),
        ] {
            let found = of(scores, labels);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.starts_with(expected), "{found}");
            }
        }
    }
}
