//! Figures of an evaluation.

use serde::{Deserialize, Serialize};

use crate::analysis::Interval;

/// The figures of one evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationFigures {
    /// `None` if there are more than 32 classes, which would be too many to see.
    pub confusion: Option<ConfusionMatrix>,
    /// `None` unless there are images of the positive class and of others.
    pub roc: Option<Roc>,
    /// `None` unless there are images of the positive class and of others.
    pub precision_recall: Option<PrecisionRecall>,
    /// `None` if there are no images.
    pub reliability: Option<Reliability>,
}

/// A measured number with its 95 % interval, if that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub interval: Option<Interval>,
}

/// Counts of images by their actual and by their predicted class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfusionMatrix {
    pub title: String,
    pub classes: Vec<String>,
    /// A row for each actual class, with a count for each predicted class.
    pub counts: Vec<Vec<u64>>,
}

/// The receiver operating characteristic of one class against all others.
#[derive(Clone, Debug, PartialEq)]
pub struct Roc {
    /// Name of the positive class.
    pub positive: String,
    /// False positive rates and true positive rates, from (0, 0) to (1, 1). Points may be left out where the line
    /// through the others passes close by.
    pub points: Vec<(f64, f64)>,
    /// Area under the curve of all points.
    pub area: Estimate,
    pub operating: Option<OperatingPoint>,
}

/// Precision against recall of one class against all others.
#[derive(Clone, Debug, PartialEq)]
pub struct PrecisionRecall {
    /// Name of the positive class.
    pub positive: String,
    /// Recalls and precisions, by ascending recall. Points may be left out where the line through the others passes
    /// close by.
    pub points: Vec<(f64, f64)>,
    /// Average precision, computed from all points.
    pub average_precision: Estimate,
    /// Share of the images that belong to the positive class: the precision of guesses.
    pub prevalence: f64,
    pub operating: Option<OperatingPoint>,
}

/// The point of a curve at which a classifier is used.
#[derive(Clone, Debug, PartialEq)]
pub struct OperatingPoint {
    /// The rule that decides, such as `threshold 0.620`.
    pub rule: String,
    /// Position, in the coordinates of the curve.
    pub at: (f64, f64),
}

/// Comparison of predicted probabilities with the observed frequencies of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Reliability {
    /// Name of the class.
    pub class: String,
    /// Sets of probabilities of the same images. The first is the most important one.
    pub curves: Vec<ReliabilityCurve>,
}

impl Reliability {
    /// `true` unless images have groups, so that bins have no intervals.
    pub fn has_intervals(&self) -> bool {
        let mut bins = self.curves.iter().flat_map(|curve| &curve.bins);
        bins.any(|bin| bin.interval.is_some())
    }
}

/// A set of probabilities in a reliability diagram.
#[derive(Clone, Debug, PartialEq)]
pub struct ReliabilityCurve {
    /// `before` or `after` calibration; empty if it is the only one.
    pub name: String,
    /// Expected calibration error over the bins.
    pub ece: Estimate,
    /// Bins with images, by ascending probability.
    pub bins: Vec<Bin>,
    /// Number of images in each of equally wide parts of the probabilities from 0 to 1.
    pub histogram: Vec<u64>,
}

/// The images whose predicted probability lies in one range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    pub images: u64,
    /// Mean of the predicted probabilities.
    pub predicted: f64,
    /// Share of the images that belong to the class.
    pub observed: f64,
    /// 95 % interval of `observed` for independent images (Wilson, 1927); `None` if images have groups.
    pub interval: Option<[f64; 2]>,
}
