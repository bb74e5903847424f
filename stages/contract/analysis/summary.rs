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
    /// `true` if the value is the same for all resamples of the images. The interval is then Wilson's if the value is a
    /// share of independent images, and otherwise `None`.
    #[serde(skip_serializing_if = "is_false")]
    pub resamples_agree: bool,
    /// The positive class, if the measure is that of one class.
    pub positive: Option<String>,
    /// How probabilities were turned into classes, if the measure depends on it and there are two classes.
    pub decision: Option<Decision>,
    /// The values in the single folds, if the value is that of the pooled predictions of a cross-validation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<FoldSpread>,
}

fn is_false(value: &bool) -> bool {
    !value
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
    /// Lowest and highest value of a fold, of all seeds.
    pub range: [f64; 2],
    /// `true` if the value for all folds compares images of the same fold only, as for the area under the ROC curve.
    /// Scores of different models need not be on the same scale.
    pub compares_within: bool,
}

/// Distance of a value from the range of the folds up to which it counts as inside: half of the last digit that is shown.
const SHOWN: f64 = 5e-4;

impl FoldSpread {
    /// Returns `true` if `value`, that of all folds together, is outside of the range of the single folds.
    pub fn excludes(&self, value: f64) -> bool {
        let [low, high] = self.range;
        value < low - SHOWN || value > high + SHOWN
    }
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
