//! Asynchronous successive halving, ASHA (Li et al. 2020): decides which trials continue, and for how long.
//!
//! A *rung* is a number of epochs at which trials are compared. A trial is promoted to the next rung as soon as it
//! is among the best `1 / reduction` of those that have reached its rung so far. If no trial can be promoted, a new
//! one starts.

mod race;
mod rung;

#[cfg(test)]
mod properties;

pub use race::{Decision, Diverged, Entry, Race, Reason, Standing};

use contract::Direction;

/// The rules of a race.
#[derive(Clone, Debug, PartialEq)]
pub struct Halving {
    rungs: Vec<u64>,
    reduction: u64,
    direction: Direction,
}

/// The reason why rules are invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("the first rung must be after at least 1 epoch")]
    NoGrace,
    #[error("the last rung ({max} epochs) is before the first rung ({grace} epochs)")]
    Order { grace: u64, max: u64 },
    #[error("a reduction of {0} would keep every trial: it must be 2 or more")]
    Reduction(u64),
}

impl Halving {
    /// Creates rules whose first rung is at `grace` epochs. Each further rung is at `reduction` times the
    /// epochs of the one before, and the last one is at `max`.
    ///
    /// As in Li et al. (2020), there are ⌊log(`max` / `grace`) / log(`reduction`)⌋ cuts. A rung that is less than a
    /// full reduction below `max` is left out, because it would stop trials shortly before their end. If there is
    /// no cut, the only rung is at `max`.
    pub fn new(
        grace: u64,
        max: u64,
        reduction: u64,
        direction: Direction,
    ) -> Result<Self, Invalid> {
        if grace == 0 {
            return Err(Invalid::NoGrace);
        }
        if grace > max {
            return Err(Invalid::Order { grace, max });
        }
        if reduction < 2 {
            return Err(Invalid::Reduction(reduction));
        }
        let next = |rung: &u64| rung.checked_mul(reduction);
        let mut rungs: Vec<u64> = std::iter::successors(Some(grace), next)
            .take_while(|rung| next(rung).is_some_and(|next| next <= max))
            .collect();
        rungs.push(max);
        Ok(Self {
            rungs,
            reduction,
            direction,
        })
    }

    /// Returns the epochs of all rungs in ascending order. The last is the most that a trial is trained for.
    pub fn rungs(&self) -> &[u64] {
        &self.rungs
    }
}
