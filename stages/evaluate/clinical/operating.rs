//! The table of the operating point: the classifier at the threshold in use.

use contract::analysis::OperatingMeasure;

use super::super::report::Report;
use super::Asked;
use crate::metrics::{Confusion, intervals, quotient, wilson};

/// Numbers of images by whether they are positive, and by whether they were classified as positive.
#[derive(Clone, Copy)]
pub(super) struct Counts {
    true_positives: u64,
    false_positives: u64,
    false_negatives: u64,
    true_negatives: u64,
}

impl Counts {
    /// Counts images, each as often as its weight. `labels` and `decided` are their actual and predicted classes.
    pub(super) fn new(
        report: &Report<'_>,
        labels: &[u32],
        decided: &[u32],
        weights: &[u32],
    ) -> Self {
        let counts = Confusion::weighted(labels, decided, weights, report.classes.len());
        let class = report.positive;
        let hits = counts.count(class, class);
        let (actual, predicted) = (counts.support(class), counts.predicted(class));
        Self {
            true_positives: hits,
            false_positives: predicted - hits,
            false_negatives: actual - hits,
            true_negatives: counts.total() + hits - actual - predicted,
        }
    }

    pub(super) fn sensitivity(&self) -> [u64; 2] {
        [
            self.true_positives,
            self.true_positives + self.false_negatives,
        ]
    }

    pub(super) fn specificity(&self) -> [u64; 2] {
        [
            self.true_negatives,
            self.true_negatives + self.false_positives,
        ]
    }

    pub(super) fn ppv(&self) -> [u64; 2] {
        [
            self.true_positives,
            self.true_positives + self.false_positives,
        ]
    }

    pub(super) fn npv(&self) -> [u64; 2] {
        [
            self.true_negatives,
            self.true_negatives + self.false_negatives,
        ]
    }

    pub(super) fn accuracy(&self) -> [u64; 2] {
        let right = self.true_positives + self.true_negatives;
        [right, right + self.false_positives + self.false_negatives]
    }
}

/// Returns a quotient; `None` for 0/0.
pub(super) fn share([part, whole]: [u64; 2]) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Computes a measure from counts; `None` if they do not define it. May be infinite.
type Value = Box<dyn Fn(&Counts) -> Option<f64> + Sync>;

/// A measure of counts.
struct Measure {
    name: String,
    value: Value,
    /// The counts whose quotient the value is, if it is one.
    counts: Option<fn(&Counts) -> [u64; 2]>,
}

impl Measure {
    fn share(name: impl Into<String>, counts: fn(&Counts) -> [u64; 2]) -> Self {
        Self {
            name: name.into(),
            value: Box::new(move |found| share(counts(found))),
            counts: Some(counts),
        }
    }

    /// A function of sensitivity and specificity.
    fn of_rates(name: String, value: impl Fn(f64, f64) -> Option<f64> + Sync + 'static) -> Self {
        Self {
            name,
            value: Box::new(move |found| {
                value(share(found.sensitivity())?, share(found.specificity())?)
            }),
            counts: None,
        }
    }
}

/// Returns the measures in the order of the table. With more than two `classes`, both accuracies get a name of their own,
/// because those of all classes, in `metrics.json`, are others.
fn measures(prevalence: Option<f64>, classes: usize) -> Vec<Measure> {
    let against_rest = |name: &str| match classes {
        0..=2 => name.to_owned(),
        _ => format!("{name}{}", OperatingMeasure::ONE_AGAINST_REST),
    };
    let mut measures = vec![
        Measure::share("sensitivity", Counts::sensitivity),
        Measure::share("specificity", Counts::specificity),
        Measure::share("PPV", Counts::ppv),
        Measure::share("NPV", Counts::npv),
    ];
    if let Some(prevalence) = prevalence {
        let (ill, healthy) = (prevalence, 1.0 - prevalence);
        measures.extend([
            Measure::of_rates(
                format!("PPV at a prevalence of {prevalence}"),
                move |sensitivity, specificity| {
                    let hits = sensitivity * ill;
                    quotient(hits, hits + (1.0 - specificity) * healthy)
                },
            ),
            Measure::of_rates(
                format!("NPV at a prevalence of {prevalence}"),
                move |sensitivity, specificity| {
                    let right = specificity * healthy;
                    quotient(right, right + (1.0 - sensitivity) * ill)
                },
            ),
        ]);
    }
    measures.extend([
        Measure::of_rates("LR+".to_owned(), |sensitivity, specificity| {
            quotient(sensitivity, 1.0 - specificity)
        }),
        Measure::of_rates("LR−".to_owned(), |sensitivity, specificity| {
            quotient(1.0 - sensitivity, specificity)
        }),
        Measure::share(against_rest("accuracy"), Counts::accuracy),
        Measure::of_rates(
            against_rest("balanced accuracy"),
            |sensitivity, specificity| Some((sensitivity + specificity) / 2.0),
        ),
    ]);
    measures
}

/// Computes the table. Wilson's intervals are left out if images have groups, because images of one group are not
/// independent.
pub(super) fn table(report: &Report<'_>, asked: &Asked<'_>) -> Vec<OperatingMeasure> {
    let decided = report.predictions.decide(report.decision);
    let measures = measures(asked.prevalence, report.classes.len());
    let images = decided.len();
    let labels = report.predictions.labels;
    let found = Counts::new(report, labels, &decided, &vec![1; images]);
    let intervals = intervals(asked.bootstrap, measures.len(), |weights| {
        let resampled = Counts::new(report, labels, &decided, weights);
        measures
            .iter()
            .map(|measure| (measure.value)(&resampled))
            .collect()
    });
    let row = |(measure, interval): (Measure, crate::metrics::Interval)| {
        let value = (measure.value)(&found).filter(|value| value.is_finite());
        let counts = measure.counts.map(|counts| counts(&found));
        let is_independent = report.groups.is_empty();
        OperatingMeasure {
            measure: measure.name,
            bootstrap: interval.ends.filter(|_| value.is_some()),
            resamples_agree: interval.agrees && value.is_some(),
            wilson: counts
                .filter(|[_, all]| is_independent && *all > 0)
                .map(|[hits, all]| wilson(hits, all)),
            value,
            counts,
        }
    };
    measures.into_iter().zip(intervals).map(row).collect()
}
