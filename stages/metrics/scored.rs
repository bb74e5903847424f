//! Computes measures of weighted examples. A weight is the number of times that a resample drew the example.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::bins::{BrierParts, Ordered};
use super::confusion::{Confusion, mean_over};
use super::declared::Measure;
use super::logistic::{Examples, Line};
use super::loss::{log_losses, squared_errors, weighted_mean};
use super::odds::log_odds;
use super::placements::Placements;
use super::predictions::Predictions;
use super::ranking::{Ranking, area_within, precision_within};

/// Predictions, prepared for all measures, so that a resample only needs other weights.
pub struct Scored {
    labels: Vec<u32>,
    decided: Vec<u32>,
    probabilities: Vec<f32>,
    classes: usize,
    positive: usize,
    /// The classes that macro averages are means over: those that occur among all examples or predictions. A resample
    /// in which a measure of one of them is undefined has no macro average. A mean over the other classes would be
    /// another quantity, whose values do not belong into the same interval.
    occurring: Vec<usize>,
    /// The set of each example that has scores of one model, such as a fold; empty if all examples have.
    sets: Vec<u32>,
    /// The ranking of each set by the score of each class, computed when it is needed.
    rankings: Vec<OnceLock<Vec<Ranking>>>,
    /// The images by the probability of each class, computed when they are needed.
    ordered: Vec<OnceLock<Ordered>>,
    odds: OnceLock<Odds>,
    squared_errors: Vec<f64>,
    log_losses: Vec<f64>,
}

/// The logits of the positive class, for logistic regressions on them.
struct Odds {
    scores: Vec<f64>,
    /// 1 for images of the class, 0 for others.
    targets: Vec<f64>,
    /// The regression on all examples, from which those on resamples start; `None` if there is none.
    line: Option<Line>,
}

/// Examples with their weights, and what several measures of them have in common.
struct Drawn<'a> {
    weights: &'a [u32],
    confusion: Confusion,
    parts: OnceCell<Option<BrierParts>>,
}

impl Scored {
    /// Prepares `predictions`. `decided` is the predicted class of each example, and `positive` is the class
    /// of measures that are of one class, such as `f1`.
    pub fn new(predictions: &Predictions<'_>, decided: Vec<u32>, positive: usize) -> Self {
        let Predictions {
            probabilities,
            labels,
            classes,
        } = *predictions;
        Self {
            occurring: Confusion::new(labels, &decided, classes).occurring(),
            labels: labels.to_vec(),
            decided,
            probabilities: probabilities.to_vec(),
            classes,
            positive,
            sets: Vec::new(),
            rankings: (0..classes).map(|_| OnceLock::new()).collect(),
            ordered: (0..classes).map(|_| OnceLock::new()).collect(),
            odds: OnceLock::new(),
            squared_errors: squared_errors(probabilities, labels, classes),
            log_losses: log_losses(probabilities, labels, classes),
        }
    }

    /// Makes measures of rankings compare examples of the same set only. `sets` has the set of each example, such as a
    /// fold with its own model; empty if there is one set.
    ///
    /// Scores of different models need not be on the same scale, so a pair of examples with scores of two models says
    /// little about either (Forman and Scholz, 2010).
    pub fn within(self, sets: &[u32]) -> Self {
        Self {
            sets: sets.to_vec(),
            ..self
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

    /// Returns `measure` of the examples, each counted as often as its weight; `None` if it is undefined or infinite.
    pub fn value(&self, measure: Measure, weights: &[u32]) -> Option<f64> {
        self.value_given(measure, self.positive, &self.drawn(weights))
            .filter(|value| value.is_finite())
    }

    /// Returns the counts whose quotient `measure` is; `None` if it is not the share of some examples among others.
    pub fn counts(&self, measure: Measure) -> Option<[u64; 2]> {
        self.counts_of(measure, self.positive)
    }

    /// Returns the counts whose quotient `measure` of `class` is.
    pub(super) fn counts_of(&self, measure: Measure, class: usize) -> Option<[u64; 2]> {
        let confusion = self.confusion(&vec![1; self.examples()]);
        match measure {
            Measure::Accuracy | Measure::WeightedRecall => Some(confusion.accuracy_counts()),
            Measure::Precision => Some(confusion.precision_counts(class)),
            Measure::Recall => Some(confusion.recall_counts(class)),
            Measure::Specificity => Some(confusion.specificity_counts(class)),
            Measure::Npv => Some(confusion.npv_counts(class)),
            Measure::F1
            | Measure::MacroF1
            | Measure::WeightedF1
            | Measure::MacroPrecision
            | Measure::WeightedPrecision
            | Measure::MacroRecall
            | Measure::LrPositive
            | Measure::LrNegative
            | Measure::RocAuc
            | Measure::MacroRocAuc
            | Measure::AveragePrecision
            | Measure::Brier
            | Measure::LogLoss
            | Measure::Ece
            | Measure::CalibrationSlope
            | Measure::CalibrationIntercept
            | Measure::BrierReliability
            | Measure::BrierResolution
            | Measure::BrierUncertainty => None,
        }
    }

    /// Returns the placement values by the score of the class of measures of one class; `None` unless examples of it and
    /// of other classes occur, or if there are several sets of examples.
    pub fn placements(&self) -> Option<Placements> {
        if !self.sets.is_empty() {
            return None;
        }
        let scores = self.probabilities.chunks_exact(self.classes);
        let scores: Vec<f32> = scores.map(|row| row[self.positive]).collect();
        let labels = self.labels.iter();
        let is_positive: Vec<bool> = labels.map(|&l| l as usize == self.positive).collect();
        Placements::new(&scores, &is_positive)
    }

    /// Returns all of `measures`. A measure without a class is that of the positive class. Likelihood ratios may be
    /// infinite.
    pub(super) fn values(
        &self,
        measures: &[(Measure, Option<usize>)],
        weights: &[u32],
    ) -> Vec<Option<f64>> {
        let drawn = self.drawn(weights);
        let value = |&(measure, class): &(Measure, Option<usize>)| {
            self.value_given(measure, class.unwrap_or(self.positive), &drawn)
        };
        measures.iter().map(value).collect()
    }

    fn drawn<'a>(&self, weights: &'a [u32]) -> Drawn<'a> {
        Drawn {
            weights,
            confusion: self.confusion(weights),
            parts: OnceCell::new(),
        }
    }

    pub(super) fn confusion(&self, weights: &[u32]) -> Confusion {
        Confusion::weighted(&self.labels, &self.decided, weights, self.classes)
    }

    fn rankings(&self, class: usize) -> &[Ranking] {
        self.rankings[class].get_or_init(|| {
            let predictions = self.predictions();
            if self.sets.is_empty() {
                return vec![predictions.ranking(class)];
            }
            let scores = predictions.scores(class);
            let labels = self.labels.iter();
            let is_class: Vec<bool> = labels.map(|&label| label as usize == class).collect();
            let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            for (example, &set) in (0..).zip(&self.sets) {
                members.entry(set).or_default().push(example);
            }
            let members = members.into_values();
            members
                .map(|members| Ranking::of(members, &scores, &is_class))
                .collect()
        })
    }

    fn predictions(&self) -> Predictions<'_> {
        Predictions {
            probabilities: &self.probabilities,
            labels: &self.labels,
            classes: self.classes,
        }
    }

    fn ordered(&self, class: usize) -> &Ordered {
        self.ordered[class].get_or_init(|| self.predictions().ordered(class))
    }

    fn odds(&self) -> &Odds {
        self.odds.get_or_init(|| {
            let rows = self.probabilities.chunks_exact(self.classes);
            let labels = self.labels.iter();
            let mut odds = Odds {
                scores: rows.map(|row| log_odds(row, self.positive)).collect(),
                targets: labels
                    .map(|&label| f64::from(u8::from(label as usize == self.positive)))
                    .collect(),
                line: None,
            };
            let start = Line {
                slope: 0.0,
                intercept: 0.0,
            };
            odds.line = odds.fit(start, &vec![1; self.labels.len()]);
            odds
        })
    }

    /// Returns the parts of the Brier score: of the positive class if there are two, otherwise summed over all classes.
    fn brier_parts(&self, weights: &[u32]) -> Option<BrierParts> {
        if self.classes == 2 {
            return self.ordered(self.positive).brier_parts(weights);
        }
        let mut sum = BrierParts::default();
        for class in 0..self.classes {
            sum += self.ordered(class).brier_parts(weights)?;
        }
        Some(sum)
    }

    /// Returns `measure` of `class`, if it is that of one class.
    fn value_given(&self, measure: Measure, class: usize, drawn: &Drawn<'_>) -> Option<f64> {
        let Drawn {
            weights, confusion, ..
        } = drawn;
        let parts = || *drawn.parts.get_or_init(|| self.brier_parts(weights));
        let auc = |class: usize| area_within(self.rankings(class), weights);
        let macro_mean = |value: &dyn Fn(usize) -> Option<f64>| mean_over(&self.occurring, value);
        match measure {
            Measure::Accuracy => confusion.accuracy(),
            Measure::F1 => confusion.f1(class),
            Measure::MacroF1 => macro_mean(&|c| confusion.f1(c)),
            Measure::WeightedF1 => confusion.weighted_mean(|c| confusion.f1(c)),
            Measure::Precision => confusion.precision(class),
            Measure::MacroPrecision => macro_mean(&|c| confusion.precision(c)),
            Measure::WeightedPrecision => confusion.weighted_mean(|c| confusion.precision(c)),
            Measure::Recall => confusion.recall(class),
            Measure::MacroRecall => macro_mean(&|c| confusion.recall(c)),
            Measure::WeightedRecall => confusion.weighted_mean(|c| confusion.recall(c)),
            Measure::Specificity => confusion.specificity(class),
            Measure::Npv => confusion.npv(class),
            Measure::LrPositive => confusion.lr_positive(class),
            Measure::LrNegative => confusion.lr_negative(class),
            Measure::RocAuc => auc(class),
            Measure::MacroRocAuc => macro_mean(&auc),
            Measure::AveragePrecision => precision_within(self.rankings(class), weights),
            Measure::Brier => weighted_mean(&self.squared_errors, weights),
            Measure::LogLoss => weighted_mean(&self.log_losses, weights),
            Measure::Ece => self.ordered(class).ece(weights),
            Measure::CalibrationSlope => self.odds().slope(weights),
            Measure::CalibrationIntercept => self.odds().intercept(weights),
            Measure::BrierReliability => Some(parts()?.reliability),
            Measure::BrierResolution => Some(parts()?.generalized_resolution()),
            Measure::BrierUncertainty => Some(parts()?.uncertainty),
        }
    }
}

impl Odds {
    fn examples<'a>(&'a self, weights: &'a [u32]) -> Examples<'a> {
        Examples {
            scores: &self.scores,
            targets: &self.targets,
            weights,
        }
    }

    fn fit(&self, start: Line, weights: &[u32]) -> Option<Line> {
        let examples = self.examples(weights);
        examples.overlap().then(|| examples.fit(start)).flatten()
    }

    /// Returns the slope of the regression of the class on its logits (Cox, 1958).
    fn slope(&self, weights: &[u32]) -> Option<f64> {
        Some(self.fit(self.line?, weights)?.slope)
    }

    /// Returns the intercept of the regression with the slope 1, called calibration in the large (Van Calster et al.,
    /// 2019).
    fn intercept(&self, weights: &[u32]) -> Option<f64> {
        let drawn = |wanted: f64| {
            let mut pairs = self.targets.iter().zip(weights);
            pairs.any(|(&target, &weight)| weight > 0 && target == wanted)
        };
        let has_both = drawn(0.0) && drawn(1.0);
        has_both.then(|| self.examples(weights).fit_intercept(1.0).intercept)
    }
}
