//! Summary of the values of a measure.

use serde::Serialize;

use crate::over::Over;

/// One value of a measure, or the mean of several values that differ only in their seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Number of values.
    pub n: usize,
    pub mean: f64,
    /// Standard deviation of the sample (over n − 1); `None` for a single value.
    pub sd: Option<f64>,
    /// 95 % interval, if it is known.
    pub interval: Option<Interval>,
    /// The positive class, if the measure is that of one class.
    pub positive: Option<String>,
    /// How probabilities were turned into classes, if the measure depends on it and there are two classes.
    pub decision: Option<Decision>,
    /// The values in the single folds, if the value is that of the pooled predictions of a cross-validation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<FoldSpread>,
}

/// The values of a measure in the folds of a cross-validation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FoldSpread {
    /// Number of folds in which it is defined, of one seed.
    pub count: usize,
    /// Mean over the folds, and over seeds if there are several.
    pub mean: f64,
    /// Standard deviation over the folds of a seed (over n − 1); `None` if only one is defined. Folds are not
    /// independent, so no interval follows from it.
    pub sd: Option<f64>,
}

/// A 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// `[low, high]`.
    pub ends: [f64; 2],
    pub over: Over,
}

/// Rule that turns probabilities of two classes into a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// The class that is predicted if its probability is at least the threshold.
    pub class: String,
    /// Lowest and highest threshold of the values that were summarized.
    pub thresholds: [f64; 2],
}
