//! Summary of the values of a measure.

use std::fmt;

use serde::{Deserialize, Serialize};

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
}

/// A 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// `[low, high]`.
    pub ends: [f64; 2],
    pub over: Over,
}

/// Sources of variation that an interval covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// The test images of one trained model.
    Images,
    /// The test images of one trained model, drawn by group, such as a patient.
    Groups,
    /// The seeds.
    Seeds,
    SeedsAndImages,
    SeedsAndGroups,
    /// Unknown: a program reported the interval.
    Reported,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Images => "test images",
            Self::Groups => "groups of test images",
            Self::Seeds => "seeds",
            Self::SeedsAndImages => "seeds and test images",
            Self::SeedsAndGroups => "seeds and groups of test images",
            Self::Reported => "reported by the program",
        })
    }
}

/// Rule that turns probabilities of two classes into a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// The class that is predicted if its probability is at least the threshold.
    pub class: String,
    /// Lowest and highest threshold of the values that were summarized.
    pub thresholds: [f64; 2],
}
