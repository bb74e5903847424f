//! Mean and spread of a measure over several seeds.

use serde::Serialize;

/// Mean and spread of several values of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Number of values.
    pub n: usize,
    pub mean: f64,
    /// Standard deviation of the sample (over n − 1); `None` for a single value.
    pub sd: Option<f64>,
    /// 95 % interval of the mean, `[low, high]`, by Student's t with n − 1 degrees of freedom (Student,
    /// 1908). It assumes that the values come from a normal distribution, so it may exceed the range of a
    /// measure. `None` for a single value.
    pub interval: Option<[f64; 2]>,
}
