//! Importance of each axis: which share of a metric's variance depends on it.
//!
//! The shares are a functional ANOVA (fANOVA; Hutter et al. 2014). A [model] is fitted to the trials, and its
//! variance over the declared space is decomposed into [effects]. Trials decide how good the model is, but not how much
//! each part of the space counts: TPE tries mostly good points, and a share computed from its trials alone would
//! describe these.
//!
//! | in a share | why |
//! | --- | --- |
//! | the declared distribution of each axis | a random trial is the reference, whatever the sampler chose |
//! | conditions of axes | an axis counts in as much of the space as it applies to |
//!
//! | not in a share | why not |
//! | --- | --- |
//! | what several axes do only together | it belongs to none of them; shares add up to less than 1 |
//! | chance, as far as the model does not fit it | shares are parts of the model's variance |
//! | `exclude` | excluded points would make axes depend on each other; the model fills them in |
//! | failed trials | they have no value |
//!
//! There are no shares with fewer than [`FEWEST`] trials, or if models do not predict trials from others: then the
//! model describes only chance. Known limit: a model knows a region only from the trials in it. With many axes, TPE
//! leaves few trials far from its best ones, so shares are rough.

mod correlation;
mod effects;
mod model;
mod part;
mod tree;

#[cfg(test)]
mod tests;

use contract::random::stream;
use rand::seq::index;

use self::model::Model;
use self::tree::Trials;
use super::space::{Point, Space};

pub(super) use correlation::spearman;

/// Name of the estimator, for users.
pub(super) const NAME: &str = "fANOVA";

/// Minimum number of trials with a value.
pub(super) const FEWEST: usize = 20;

/// Minimum share of the variance between trials that a model predicts from the other trials.
const LEAST_PREDICTED: f64 = 0.1;

/// Maximum number of trials that a model is fitted to. Of more, random ones are taken.
const MOST: usize = 1000;

/// The reason why there are no shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    FewTrials { found: usize },
    ConstantMetric,
    Unpredictable,
}

impl Missing {
    /// Returns the reason as text for users.
    pub(super) fn text(self) -> String {
        match self {
            Self::FewTrials { found } => {
                format!("needs at least {FEWEST} trials with a value, found {found}")
            }
            Self::ConstantMetric => "the metric did not vary".to_owned(),
            Self::Unpredictable => "the axes do not predict the metric".to_owned(),
        }
    }
}

/// Returns the share of each axis in the variance of a metric over `space`, in [0, 1], given its value at some points.
/// All values must be finite.
///
/// Shares depend only on the arguments, not on the number of threads.
pub(super) fn shares(space: &Space, points: &[Point], values: &[f64]) -> Result<Vec<f64>, Missing> {
    assert_eq!(points.len(), values.len(), "every point needs a value");
    let found = values.len();
    if found < FEWEST {
        return Err(Missing::FewTrials { found });
    }
    if values.iter().all(|&value| value == values[0]) {
        return Err(Missing::ConstantMetric);
    }
    let mut used: Vec<usize> = (0..found).collect();
    if found > MOST {
        let mut random = stream(0, "importance trials", [0, 0]);
        used = index::sample(&mut random, found, MOST).into_vec();
        used.sort_unstable();
    }
    let points: Vec<Point> = used.iter().map(|&at| points[at].clone()).collect();
    let values: Vec<f64> = used.iter().map(|&at| values[at]).collect();
    let trials = Trials::new(space, &points);
    if Model::predicted(&trials, &values) < LEAST_PREDICTED {
        return Err(Missing::Unpredictable);
    }
    let model = Model::fit(&trials, &values);
    effects::shares(&trials, &model).ok_or(Missing::ConstantMetric)
}
