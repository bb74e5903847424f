//! Who says what is tried next.

mod fixed;
mod fresh;
mod parzen;
mod random;
mod tpe;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod trials;

pub use fixed::FixedSampler;
pub use random::RandomSampler;
pub use tpe::TpeSampler;

use super::space::Point;

/// Proposes trials, and learns from their results.
///
/// What it proposes is a function of how it was made and of the asks and tells until then; among the
/// tells between two asks the order does not matter.
pub trait Sampler {
    /// Up to `count` new trials, numbered on from those before; fewer if there are no more points. No
    /// point is proposed twice.
    fn ask(&mut self, count: usize) -> Vec<Proposal>;

    /// What became of a trial that was proposed. Told again, the last word counts.
    fn tell(&mut self, trial: usize, told: Told);
}

/// A trial to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Counted from 0.
    pub trial: usize,
    pub point: Point,
}

/// What became of a trial. A value that is not finite is as good as a failure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Told {
    /// The objective.
    Value(f64),
    /// Stopped after so many epochs, when the objective was `value`.
    Pruned {
        value: f64,
        epochs: u64,
    },
    Failed,
}

impl Told {
    /// What it says of the objective, if anything.
    pub fn value(&self) -> Option<f64> {
        match *self {
            Self::Value(value) | Self::Pruned { value, .. } => {
                Some(value).filter(|v| v.is_finite())
            }
            Self::Failed => None,
        }
    }
}
