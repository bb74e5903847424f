//! [`Race`]: the trials on each rung, the decisions that follow from them, and the record of both.

use serde::{Deserialize, Serialize};

use super::Halving;
use super::rung::Rung;

/// A decision to run a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// A trial starts. Trials are numbered from 0.
    New { trial: usize, to_epochs: u64 },
    /// A trial continues from its last rung.
    Promote {
        trial: usize,
        from_epochs: u64,
        to_epochs: u64,
        reason: Reason,
    },
}

/// The reason why a trial continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It is among the best `1 / reduction` of its rung.
    Top,
    /// All trials have arrived, and none has a value on the last rung. It is the best trial that was not promoted
    /// yet, on the highest rung that has one, so that even a short race has a winner.
    Winner,
}

/// An entry in the record of a race. The rules and the record determine all decisions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    Decided(Decision),
    /// A trial arrived at its rung. The value is `None` if it failed or if its value was not finite.
    #[serde(rename = "came")]
    Arrived {
        trial: usize,
        value: Option<f64>,
    },
}

impl Entry {
    /// Returns the entry for display: trials are counted from 1, and `shown` converts values.
    pub fn numbered_from_one(&self, shown: impl Fn(f64) -> f64) -> Self {
        match *self {
            Self::Decided(Decision::New { trial, to_epochs }) => Self::Decided(Decision::New {
                trial: trial + 1,
                to_epochs,
            }),
            Self::Decided(Decision::Promote {
                trial,
                from_epochs,
                to_epochs,
                reason,
            }) => Self::Decided(Decision::Promote {
                trial: trial + 1,
                from_epochs,
                to_epochs,
                reason,
            }),
            Self::Arrived { trial, value } => Self::Arrived {
                trial: trial + 1,
                value: value.map(shown),
            },
        }
    }
}

/// State of a trial in a race.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// It is being trained for a rung.
    Running {
        to_epochs: u64,
    },
    /// It has reached a rung and was not promoted yet.
    Waiting {
        epochs: u64,
        value: f64,
    },
    /// It has reached the last rung.
    Done {
        value: f64,
    },
    Failed,
}

/// An entry of a record that does not follow from the rules.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("entry {at} of the record is {recorded:?}, but the rules lead to {decided:?}")]
pub struct Diverged {
    pub at: usize,
    pub recorded: Entry,
    /// The decision that follows from the rules; `None` if there is none, or if the entry's trial was not
    /// running.
    pub decided: Option<Decision>,
}

/// A race in progress. It is determined by its rules and its [`Entry`]s.
#[derive(Clone, Debug, PartialEq)]
pub struct Race {
    halving: Halving,
    /// Maximum number of trials.
    trials: usize,
    rungs: Vec<Rung>,
    record: Vec<Entry>,
}

impl Race {
    /// Creates a race of up to `trials` trials.
    pub fn new(halving: Halving, trials: usize) -> Self {
        Self {
            rungs: vec![Rung::default(); halving.rungs().len()],
            halving,
            trials,
            record: Vec::new(),
        }
    }

    /// Returns the next decision, or `None` if there is nothing to run before another trial arrives.
    ///
    /// The best trial is promoted from the highest rung that allows it. If no rung does, a new trial starts.
    /// If all have started, see [`Reason::Winner`].
    pub fn next(&self) -> Option<Decision> {
        let last = self.rungs.len() - 1;
        let promotable = (0..last).rev().find_map(|rung| {
            let trial = self.rungs[rung].promotable(self.halving.reduction)?;
            Some(self.promotion(trial, rung, Reason::Top))
        });
        promotable
            .or_else(|| self.start())
            .or_else(|| self.winner())
    }

    /// Makes and records up to `count` decisions.
    pub fn decide(&mut self, count: usize) -> Vec<Decision> {
        let mut decisions = Vec::new();
        while decisions.len() < count
            && let Some(decision) = self.next()
        {
            self.apply(decision);
            decisions.push(decision);
        }
        decisions
    }

    /// Records that a running trial arrived at its rung with this value, or failed if it is `None`. A value
    /// that is not finite counts as a failure.
    ///
    /// # Panics
    ///
    /// Panics if the trial is not running.
    pub fn arrive(&mut self, trial: usize, value: Option<f64>) {
        let value = value.filter(|value| value.is_finite());
        let rung = self.running(trial);
        let rung = rung.unwrap_or_else(|| panic!("trial {trial} is not running"));
        self.rungs[rung].arrive(trial, value, self.halving.direction);
        self.record.push(Entry::Arrived { trial, value });
    }

    /// Returns the state of a trial, or `None` if it has not started.
    pub fn standing(&self, trial: usize) -> Option<Standing> {
        let rung = self.highest(trial)?;
        let epochs = self.halving.rungs()[rung];
        Some(match self.rungs[rung].of(trial)? {
            None => Standing::Running { to_epochs: epochs },
            Some(None) => Standing::Failed,
            Some(Some(value)) if rung + 1 == self.rungs.len() => Standing::Done { value },
            Some(Some(value)) => Standing::Waiting { epochs, value },
        })
    }

    /// Returns the number of trials that have started. Trials start in the order of their numbers.
    pub fn started(&self) -> usize {
        self.rungs[0].sent()
    }

    /// Returns all that happened, in order.
    pub fn record(&self) -> &[Entry] {
        &self.record
    }

    /// Rebuilds a race from its record. Fails if a recorded decision does not follow from the rules.
    pub fn replay(halving: Halving, trials: usize, record: &[Entry]) -> Result<Self, Diverged> {
        let mut race = Self::new(halving, trials);
        for (at, &recorded) in record.iter().enumerate() {
            let diverged = |decided| Diverged {
                at,
                recorded,
                decided,
            };
            match recorded {
                Entry::Decided(decision) => {
                    let decided = race.next();
                    if decided != Some(decision) {
                        return Err(diverged(decided));
                    }
                    race.apply(decision);
                }
                Entry::Arrived { trial, .. } if race.running(trial).is_none() => {
                    return Err(diverged(None));
                }
                Entry::Arrived { trial, value } => race.arrive(trial, value),
            }
        }
        Ok(race)
    }

    fn apply(&mut self, decision: Decision) {
        let (trial, to_epochs) = match decision {
            Decision::New { trial, to_epochs } => (trial, to_epochs),
            Decision::Promote {
                trial, to_epochs, ..
            } => (trial, to_epochs),
        };
        let rung = self.rung(to_epochs);
        self.rungs[rung].send(trial);
        if let Decision::Promote { from_epochs, .. } = decision {
            let rung = self.rung(from_epochs);
            self.rungs[rung].promote(trial);
        }
        self.record.push(Entry::Decided(decision));
    }

    fn start(&self) -> Option<Decision> {
        let trial = self.started();
        (trial < self.trials).then(|| Decision::New {
            trial,
            to_epochs: self.halving.rungs()[0],
        })
    }

    /// See [`Reason::Winner`].
    fn winner(&self) -> Option<Decision> {
        let (last, lower) = self.rungs.split_last()?;
        if last.has_value() || !self.rungs.iter().all(Rung::is_complete) {
            return None;
        }
        (0..lower.len()).rev().find_map(|rung| {
            let trial = lower[rung].best()?;
            Some(self.promotion(trial, rung, Reason::Winner))
        })
    }

    fn promotion(&self, trial: usize, rung: usize, reason: Reason) -> Decision {
        Decision::Promote {
            trial,
            from_epochs: self.halving.rungs()[rung],
            to_epochs: self.halving.rungs()[rung + 1],
            reason,
        }
    }

    /// Returns the index of the rung at this number of epochs.
    fn rung(&self, epochs: u64) -> usize {
        self.halving.rungs().partition_point(|&rung| rung < epochs)
    }

    /// Returns the highest rung that a trial was sent to.
    fn highest(&self, trial: usize) -> Option<usize> {
        (0..self.rungs.len())
            .rev()
            .find(|&rung| self.rungs[rung].of(trial).is_some())
    }

    /// Returns the rung that a running trial was sent to, or `None` if the trial is not running.
    fn running(&self, trial: usize) -> Option<usize> {
        let rung = self.highest(trial)?;
        self.rungs[rung].of(trial)?.is_none().then_some(rung)
    }
}
