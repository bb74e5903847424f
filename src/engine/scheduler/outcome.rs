//! Outcomes of actions, and their counts in a run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The way in which an action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Its outputs were in the store.
    Cached,
    /// It ran, and its outputs are in the store now.
    Succeeded,
    /// It failed, while it ran or because it could not run.
    Failed,
    /// It did not start, because another action failed.
    Skipped,
    /// It was stopped, or did not start, because a stop was requested.
    Cancelled,
}

impl Outcome {
    /// Returns whether the action has outputs, so that its dependents can run.
    pub fn has_outputs(self) -> bool {
        matches!(self, Self::Cached | Self::Succeeded)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cached => "cached",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        })
    }
}

/// Number of stages with each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub cached: usize,
    pub succeeded: usize,
    pub failed: usize,
    pub skipped: usize,
    pub cancelled: usize,
}

impl Counts {
    pub fn total(&self) -> usize {
        self.cached + self.succeeded + self.failed + self.skipped + self.cancelled
    }

    pub fn add(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Cached => &mut self.cached,
            Outcome::Succeeded => &mut self.succeeded,
            Outcome::Failed => &mut self.failed,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Cancelled => &mut self.cancelled,
        } += 1;
    }
}

impl FromIterator<Outcome> for Counts {
    fn from_iter<I: IntoIterator<Item = Outcome>>(outcomes: I) -> Self {
        let mut counts = Self::default();
        outcomes.into_iter().for_each(|outcome| counts.add(outcome));
        counts
    }
}
