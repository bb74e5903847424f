//! Samplers choose the points of trials.

mod fixed;
mod fresh;
mod parzen;
mod random;
mod tpe;

#[cfg(test)]
mod comparison;
#[cfg(test)]
mod properties;

pub use fixed::FixedSampler;
pub use random::RandomSampler;
pub use tpe::TpeSampler;

use super::space::Point;

/// Proposes trials and learns from their results.
///
/// Proposals depend only on how the sampler was created and on the calls of `ask` and `observe` so far. The
/// order of the `observe` calls between two `ask` calls does not matter.
pub trait Sampler {
    /// Proposes up to `count` new trials, numbered consecutively; fewer if there are no more points. No point
    /// is proposed twice.
    fn ask(&mut self, count: usize) -> Vec<Proposal>;

    /// Records the result of a proposed trial. A later result replaces an earlier one.
    fn observe(&mut self, trial: usize, observation: Observation);
}

/// A trial to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Counted from 0.
    pub trial: usize,
    pub point: Point,
}

/// Result of a trial. A value that is not finite counts as a failure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Observation {
    /// The objective.
    Value(f64),
    /// Stopped after this number of epochs. `value` is the metric by which trials were compared then.
    Pruned {
        value: f64,
        epochs: u64,
    },
    Failed,
}

impl Observation {
    /// Returns the value, if there is one and it is finite.
    pub fn value(&self) -> Option<f64> {
        match *self {
            Self::Value(value) | Self::Pruned { value, .. } => {
                Some(value).filter(|v| v.is_finite())
            }
            Self::Failed => None,
        }
    }
}
