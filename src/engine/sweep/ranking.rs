//! Ranks the trials of a sweep.

use std::cmp::Ordering;

use contract::Direction;

use super::record::{SweepReport, Trial, TrialState};

/// Returns the trials of a sweep, best first. Finished trials come first, then those that were stopped early, are
/// waiting, have no objective, failed, and did not run, in this order. Trials in the same state are sorted by
/// objective; those without one come last. Of equal trials, the one with more epochs comes first, then the one with the
/// lower number.
pub fn ranked(report: &SweepReport) -> Vec<&Trial> {
    let mut trials: Vec<&Trial> = report.trials.iter().collect();
    let direction = report.direction();
    trials.sort_by(|a, b| {
        (a.state.cmp(&b.state))
            .then_with(|| better_first(measured(a), measured(b), direction))
            .then(b.epochs.cmp(&a.epochs))
            .then(a.number.cmp(&b.number))
    });
    trials
}

impl SweepReport {
    /// The best trial that finished and has an objective.
    pub fn best(&self) -> Option<&Trial> {
        let first = ranked(self).into_iter().next()?;
        (first.state == TrialState::Finished && measured(first).is_some()).then_some(first)
    }
}

/// The objective if it is finite. Otherwise the trial ranks as if it had none.
fn measured(trial: &Trial) -> Option<f64> {
    trial.objective.filter(|value| value.is_finite())
}

fn better_first(a: Option<f64>, b: Option<f64>, direction: Direction) -> Ordering {
    match (a, b) {
        // Not `total_cmp`: 0 and -0 are a tie.
        (Some(a), Some(b)) => {
            let ascending = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
            match direction {
                Direction::Minimize => ascending,
                Direction::Maximize => ascending.reverse(),
            }
        }
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}
