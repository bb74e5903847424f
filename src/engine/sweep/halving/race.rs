//! Who stands on which rung, what is decided from it, and the record of both.

use serde::{Deserialize, Serialize};

use super::Halving;
use super::rung::Rung;

/// Something to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// A trial starts; they are numbered from 0.
    New { trial: usize, to_epochs: u64 },
    /// A trial goes on from its last rung.
    Promote {
        trial: usize,
        from_epochs: u64,
        to_epochs: u64,
        reason: Reason,
    },
}

/// Why a trial goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It is among the best `1 / reduction` of its rung.
    Top,
    /// All are done, none came to the last rung, and it is the best of the highest that was come to:
    /// a race has a winner even if it is a short one.
    Winner,
}

/// What happened in a race, in order; with the rules it is enough to know all decisions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    Decided(Decision),
    /// A trial came to the rung it ran for; no value: it failed there, or its value was not finite.
    Came {
        trial: usize,
        value: Option<f64>,
    },
}

impl Entry {
    /// For people: trials counted from 1, values as `shown`.
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
            Self::Came { trial, value } => Self::Came {
                trial: trial + 1,
                value: value.map(shown),
            },
        }
    }
}

/// Where a trial is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// On its way to a rung.
    Running {
        to_epochs: u64,
    },
    /// It came to a rung, and no further so far.
    Waiting {
        epochs: u64,
        value: f64,
    },
    /// It came to the last rung.
    Done {
        value: f64,
    },
    Failed,
}

/// A recorded decision that is not the one that the rules lead to.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("entry {at} of the record is {recorded:?} where the rules lead to {decided:?}")]
pub struct Diverged {
    pub at: usize,
    pub recorded: Entry,
    /// Nothing if nothing was to be decided, or the trial was not running.
    pub decided: Option<Decision>,
}

/// A race under way: a function of its rules and its [`Entry`]s.
#[derive(Clone, Debug, PartialEq)]
pub struct Race {
    halving: Halving,
    /// How many trials there can be.
    trials: usize,
    rungs: Vec<Rung>,
    record: Vec<Entry>,
}

impl Race {
    /// A race of up to `trials` trials.
    pub fn new(halving: Halving, trials: usize) -> Self {
        Self {
            rungs: vec![Rung::default(); halving.rungs().len()],
            halving,
            trials,
            record: Vec::new(),
        }
    }

    /// What comes next, if there is something to run before another trial arrives.
    ///
    /// A promotion from the highest rung that has one, of its best trial; else a new trial.
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

    /// Up to `count` decisions, taken at once, and recorded.
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

    /// A running trial came to its rung with this value, or failed. A value that is not finite is as good
    /// as a failure.
    ///
    /// # Panics
    ///
    /// If it is not running.
    pub fn arrive(&mut self, trial: usize, value: Option<f64>) {
        let value = value.filter(|value| value.is_finite());
        let rung = self.running(trial);
        let rung = rung.unwrap_or_else(|| panic!("trial {trial} is not running"));
        self.rungs[rung].arrive(trial, value, self.halving.direction);
        self.record.push(Entry::Came { trial, value });
    }

    /// Where a trial is; nothing if it has not started.
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

    /// How many trials have started: they are those below this number.
    pub fn started(&self) -> usize {
        self.rungs[0].sent()
    }

    /// All that happened, in order.
    pub fn record(&self) -> &[Entry] {
        &self.record
    }

    /// The race of a record, if its decisions are those that the rules lead to.
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
                Entry::Came { trial, .. } if race.running(trial).is_none() => {
                    return Err(diverged(None));
                }
                Entry::Came { trial, value } => race.arrive(trial, value),
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
        if last.has_value() || !self.rungs.iter().all(Rung::is_settled) {
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

    /// The rung after so many epochs.
    fn rung(&self, epochs: u64) -> usize {
        self.halving.rungs().partition_point(|&rung| rung < epochs)
    }

    /// The highest rung that a trial was sent to.
    fn highest(&self, trial: usize) -> Option<usize> {
        (0..self.rungs.len())
            .rev()
            .find(|&rung| self.rungs[rung].of(trial).is_some())
    }

    /// The rung that a trial is on its way to.
    fn running(&self, trial: usize) -> Option<usize> {
        let rung = self.highest(trial)?;
        self.rungs[rung].of(trial)?.is_none().then_some(rung)
    }
}
