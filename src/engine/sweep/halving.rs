//! Asynchronous successive halving, ASHA (Li et al. 2020): which trials go on, and for how long.
//!
//! A *rung* is a number of epochs at which trials are compared. The best `1 / reduction` of those that
//! came to a rung are promoted to the next one as soon as that is known; a new trial starts where nothing
//! can be promoted.

mod race;
mod rung;

#[cfg(test)]
mod laws;

pub use race::{Decision, Diverged, Entry, Race, Reason, Standing};

use contract::Direction;

/// The rules of a race.
#[derive(Clone, Debug, PartialEq)]
pub struct Halving {
    rungs: Vec<u64>,
    reduction: u64,
    direction: Direction,
}

/// Why there are no such rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("the first rung is after at least 1 epoch")]
    NoGrace,
    #[error("the last rung, after {max} epochs, is before the first, after {grace}")]
    Order { grace: u64, max: u64 },
    #[error("a reduction of {0} keeps every trial; it is 2 or more")]
    Reduction(u64),
}

impl Halving {
    /// Trials are compared after `grace` epochs, and after `reduction` times as many again and again; who
    /// comes to `max` is done.
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
        let later = |&rung: &u64| rung.checked_mul(reduction);
        let mut rungs: Vec<u64> = std::iter::successors(Some(grace), later)
            .take_while(|&rung| rung < max)
            .collect();
        rungs.push(max);
        Ok(Self {
            rungs,
            reduction,
            direction,
        })
    }

    /// The epochs of all rungs, rising; the last is the most that a trial trains.
    pub fn rungs(&self) -> &[u64] {
        &self.rungs
    }
}
