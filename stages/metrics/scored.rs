//! Computes measures of weighted examples. A weight is the number of times that a resample drew the example.

use contract::{Direction, MetricInfo, NOT_NEGATIVE, SHARE};

use super::confusion::Confusion;
use super::loss::{log_losses, squared_errors, weighted_mean};
use super::predictions::Predictions;
use super::ranking::Ranking;

/// A measure of labelled predictions; [`measure`](super::measure) computes all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Accuracy,
    F1,
    MacroF1,
    WeightedF1,
    Precision,
    Recall,
    Specificity,
    RocAuc,
    AveragePrecision,
    Brier,
    LogLoss,
}

/// The metrics of `evaluate`, in the order of [`Measure::ALL`].
pub const METRICS: &[MetricInfo] = &[
    MetricInfo::new(
        "accuracy",
        "share of images that are classified correctly",
        SHARE,
    )
    .maximized()
    .headline(),
    MetricInfo::new("f1", "harmonic mean of precision and recall", SHARE)
        .maximized()
        .of_positive()
        .headline(),
    MetricInfo::new("macro_f1", "mean of the classes' F1", SHARE).maximized(),
    MetricInfo::new(
        "weighted_f1",
        "mean of the classes' F1, weighted by the number of images of each class",
        SHARE,
    )
    .maximized(),
    MetricInfo::new(
        "precision",
        "share of the images classified as the class that belong to it",
        SHARE,
    )
    .maximized()
    .of_positive(),
    MetricInfo::new(
        "recall",
        "share of the images of the class that are classified as it (sensitivity)",
        SHARE,
    )
    .maximized()
    .of_positive(),
    MetricInfo::new(
        "specificity",
        "share of the images of other classes that are not classified as the class",
        SHARE,
    )
    .maximized()
    .of_positive(),
    MetricInfo::new(
        "roc_auc",
        "area under the ROC curve of the class against all others",
        SHARE,
    )
    .maximized()
    .of_positive()
    .headline(),
    MetricInfo::new(
        "average_precision",
        "mean precision over recall, of the class against all others",
        SHARE,
    )
    .maximized()
    .of_positive(),
    // For more than two classes, the Brier score is at most 2; for two, at most 1.
    MetricInfo::new(
        "brier",
        "mean squared error of the probabilities",
        [0.0, 2.0],
    )
    .minimized(),
    MetricInfo::new(
        "log_loss",
        "cross-entropy of the probabilities",
        NOT_NEGATIVE,
    )
    .minimized(),
];

impl Measure {
    pub const ALL: [Self; 11] = [
        Self::Accuracy,
        Self::F1,
        Self::MacroF1,
        Self::WeightedF1,
        Self::Precision,
        Self::Recall,
        Self::Specificity,
        Self::RocAuc,
        Self::AveragePrecision,
        Self::Brier,
        Self::LogLoss,
    ];

    /// Returns the declaration of the measure as a metric of `evaluate`.
    pub fn info(self) -> &'static MetricInfo {
        &METRICS[self as usize]
    }

    /// Returns the measure's name among the metrics of `evaluate`.
    pub fn name(self) -> &'static str {
        &self.info().name
    }

    /// Returns the measure with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.name() == name)
    }

    /// Returns the direction in which the measure improves.
    pub fn direction(self) -> Direction {
        self.info().direction.unwrap_or(Direction::Maximize)
    }

    /// Whether the measure depends on how probabilities are turned into classes.
    pub fn needs_decision(self) -> bool {
        match self {
            Self::Accuracy
            | Self::F1
            | Self::MacroF1
            | Self::WeightedF1
            | Self::Precision
            | Self::Recall
            | Self::Specificity => true,
            Self::RocAuc | Self::AveragePrecision | Self::Brier | Self::LogLoss => false,
        }
    }
}

/// Predictions, prepared for all measures, so that a resample only needs other weights.
pub struct Scored {
    labels: Vec<u32>,
    decided: Vec<u32>,
    classes: usize,
    positive: usize,
    ranking: Ranking,
    squared_errors: Vec<f64>,
    log_losses: Vec<f64>,
}

impl Scored {
    /// Prepares `predictions`. `decided` is the predicted class of each example, and `positive` is the class
    /// of `f1`, `precision`, `recall`, `specificity`, `roc_auc` and `average_precision`.
    pub fn new(predictions: &Predictions<'_>, decided: Vec<u32>, positive: usize) -> Self {
        let Predictions {
            probabilities,
            labels,
            classes,
        } = *predictions;
        Self {
            labels: labels.to_vec(),
            decided,
            classes,
            positive,
            ranking: predictions.ranking(positive),
            squared_errors: squared_errors(probabilities, labels, classes),
            log_losses: log_losses(probabilities, labels, classes),
        }
    }

    pub fn examples(&self) -> usize {
        self.labels.len()
    }

    /// Returns for each example whether it was classified correctly.
    pub fn right(&self) -> Vec<bool> {
        let pairs = self.labels.iter().zip(&self.decided);
        pairs.map(|(label, decided)| label == decided).collect()
    }

    /// Returns `measure` of the examples, each counted as often as its weight; `None` if it is undefined.
    pub fn value(&self, measure: Measure, weights: &[u32]) -> Option<f64> {
        self.value_given(measure, weights, &self.confusion(weights))
    }

    /// Returns all measures, in the order of [`Measure::ALL`].
    pub(super) fn values(&self, weights: &[u32]) -> [Option<f64>; Measure::ALL.len()] {
        let confusion = self.confusion(weights);
        Measure::ALL.map(|measure| self.value_given(measure, weights, &confusion))
    }

    fn confusion(&self, weights: &[u32]) -> Confusion {
        Confusion::weighted(&self.labels, &self.decided, weights, self.classes)
    }

    fn value_given(&self, measure: Measure, weights: &[u32], confusion: &Confusion) -> Option<f64> {
        match measure {
            Measure::Accuracy => Some(confusion.accuracy()),
            Measure::F1 => Some(confusion.f1(self.positive)),
            Measure::MacroF1 => Some(confusion.macro_f1()),
            Measure::WeightedF1 => Some(confusion.weighted_f1()),
            Measure::Precision => Some(confusion.precision(self.positive)),
            Measure::Recall => Some(confusion.recall(self.positive)),
            Measure::Specificity => Some(confusion.specificity(self.positive)),
            Measure::RocAuc => self.ranking.roc_auc(weights),
            Measure::AveragePrecision => self.ranking.average_precision(weights),
            Measure::Brier => weighted_mean(&self.squared_errors, weights),
            Measure::LogLoss => weighted_mean(&self.log_losses, weights),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{METRICS, Measure};

    #[test]
    fn a_measure_is_found_by_its_exact_name_only() {
        assert_eq!(METRICS.len(), Measure::ALL.len());
        for (index, measure) in Measure::ALL.into_iter().enumerate() {
            assert_eq!(measure as usize, index);
            assert_eq!(Measure::named(measure.name()), Some(measure));
            assert!(measure.info().direction.is_some());
        }
        assert_eq!(Measure::named("F1"), None);
    }
}
