//! Computes the figures of an evaluation.

use contract::Metrics;
use contract::analysis::{
    ConfusionMatrix, Estimate, Evaluation, EvaluationFigures, Interval, OperatingPoint, Over,
    PrecisionRecall, Reliability, ReliabilityCurve, Roc,
};

use super::thinned::thinned;
use crate::evaluate::{BARS, threshold_text};
use crate::metrics::{Predictions, average_precision, roc_auc};

/// Largest number of classes of a confusion matrix that is shown.
const MOST_CLASSES: usize = 32;

pub(super) fn figures(evaluation: &Evaluation, metrics: &Metrics) -> EvaluationFigures {
    let figures = Figures {
        evaluation,
        metrics,
        scores: predictions(evaluation).scores(evaluation.positive as usize),
    };
    let (roc, precision_recall) = figures.ranked().unzip();
    EvaluationFigures {
        roc,
        precision_recall,
        reliability: figures.reliability(),
        confusion: confusion(evaluation),
    }
}

struct Figures<'a> {
    evaluation: &'a Evaluation,
    metrics: &'a Metrics,
    /// The probability of the positive class for each image.
    scores: Vec<f32>,
}

impl Figures<'_> {
    /// Returns the curves over all thresholds; `None` unless there are images of the positive class and of others.
    fn ranked(&self) -> Option<(Roc, PrecisionRecall)> {
        let evaluation = self.evaluation;
        let is_positive = self.is_positive();
        let ranking = predictions(evaluation).ranking(evaluation.positive as usize);
        let curve = ranking.roc_curve()?;
        let positives = is_positive.iter().filter(|&&positive| positive).count() as f64;
        let negatives = is_positive.len() as f64 - positives;
        let positive = evaluation.classes[evaluation.positive as usize].clone();
        let [in_roc, in_precision_recall] = self.operating_points();

        let precision_recall = PrecisionRecall {
            positive: positive.clone(),
            points: thinned(&steps(&curve, positives, negatives)),
            average_precision: self.estimate("average_precision", || {
                average_precision(&self.scores, &is_positive)
            }),
            prevalence: positives / is_positive.len() as f64,
            operating: in_precision_recall,
        };
        let roc = Roc {
            positive,
            points: thinned(&curve),
            area: self.estimate("roc_auc", || roc_auc(&self.scores, &is_positive)),
            operating: in_roc,
        };
        Some((roc, precision_recall))
    }

    fn is_positive(&self) -> Vec<bool> {
        let labels = self.evaluation.labels.iter();
        labels
            .map(|&label| label == self.evaluation.positive)
            .collect()
    }

    /// Returns the positions of the decisions that were made: false positive rate and recall, and recall and precision.
    /// A position is `None` if one of its coordinates is 0 / 0.
    fn operating_points(&self) -> [Option<OperatingPoint>; 2] {
        let positive = self.evaluation.positive;
        let (labels, decided) = (&self.evaluation.labels, &self.evaluation.predicted);
        let count = |classes: &[u32]| classes.iter().filter(|&&c| c == positive).count() as u64;
        let (actual, predicted, all) = (count(labels), count(decided), labels.len() as u64);
        let both = labels.iter().zip(decided);
        let hits = both
            .filter(|&(&a, &b)| a == positive && b == positive)
            .count() as u64;
        let recall = share(hits, actual);
        let at = |x: Option<f64>, y: Option<f64>| {
            let rule = rule(self.evaluation);
            Some(OperatingPoint { rule, at: (x?, y?) })
        };
        [
            at(share(predicted - hits, all - actual), recall),
            at(recall, share(hits, predicted)),
        ]
    }

    /// Returns the source of variation that intervals cover.
    fn over(&self) -> Over {
        match self.evaluation.groups.as_slice() {
            [] => Over::Images,
            _ => Over::Groups,
        }
    }

    /// Returns the metric that was measured with the evaluation. If it is missing, computes its value.
    fn estimate(&self, name: &str, computed: impl FnOnce() -> Option<f64>) -> Estimate {
        let measured = self.metrics.get(name).filter(|m| m.value.is_finite());
        let over = self.over();
        match measured {
            Some(metric) => Estimate {
                value: metric.value,
                interval: metric.interval.map(|ends| Interval { ends, over }),
            },
            None => Estimate {
                value: computed().unwrap_or(f64::NAN),
                interval: None,
            },
        }
    }

    /// Returns the diagram of the positive class; `None` if there are no images.
    fn reliability(&self) -> Option<Reliability> {
        let evaluation = self.evaluation;
        let positive = evaluation.positive as usize;
        let ordered = predictions(evaluation).ordered(positive);
        let bins = ordered.bins(self.over());
        let weights = vec![1; evaluation.labels.len()];
        (!bins.is_empty()).then(|| Reliability {
            class: evaluation.classes[positive].clone(),
            curves: vec![ReliabilityCurve {
                name: String::new(),
                ece: self.estimate("ece", || ordered.ece(&weights)),
                bins,
                histogram: ordered.histogram(BARS),
            }],
        })
    }
}

fn predictions(evaluation: &Evaluation) -> Predictions<'_> {
    Predictions {
        probabilities: &evaluation.probabilities,
        labels: &evaluation.labels,
        classes: evaluation.classes.len(),
    }
}

fn confusion(evaluation: &Evaluation) -> Option<ConfusionMatrix> {
    let classes = evaluation.classes.len();
    if classes > MOST_CLASSES {
        return None;
    }
    let mut counts = vec![vec![0; classes]; classes];
    for (&actual, &predicted) in evaluation.labels.iter().zip(&evaluation.predicted) {
        counts[actual as usize][predicted as usize] += 1;
    }
    Some(ConfusionMatrix {
        title: format!("{} images", evaluation.labels.len()),
        classes: evaluation.classes.clone(),
        counts,
    })
}

/// Formats the rule that decides as `threshold 0.620`, with the class if it is not the positive one, and with the rule
/// that chose it.
fn rule(evaluation: &Evaluation) -> String {
    match evaluation.threshold {
        Some((class, threshold)) => {
            let of =
                (class != evaluation.positive).then(|| evaluation.classes[class as usize].as_str());
            threshold_text(threshold, of, evaluation.threshold_rule.as_deref())
        }
        None => "most probable class".to_owned(),
    }
}

/// Converts a ROC curve to recall and precision. The precision at a threshold holds back to the recall at the previous
/// one, so that the area under these steps is the average precision.
fn steps(roc: &[(f64, f64)], positives: f64, negatives: f64) -> Vec<(f64, f64)> {
    let mut steps = Vec::with_capacity(2 * roc.len());
    for pair in roc.windows(2) {
        let (fall_out, recall) = pair[1];
        // The rates are quotients of whole numbers.
        let (hits, mistakes) = ((recall * positives).round(), (fall_out * negatives).round());
        let precision = hits / (hits + mistakes);
        steps.extend([(pair[0].1, precision), (recall, precision)]);
    }
    steps
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests;
