//! What is known of a sweep.

use std::collections::BTreeMap;
use std::fmt;

use contract::Direction;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A sweep: what was varied, what was sought, and what came of each trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepReport {
    /// Name of the pipeline.
    pub pipeline: String,
    /// `grid`, `random`, `tpe`.
    pub method: String,
    /// None where trials are not to be ranked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// In the order of the file.
    pub axes: Vec<Axis>,
    /// Where trials were stopped before their time, if they could be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rungs: Option<Rungs>,
    /// In any order.
    pub trials: Vec<Trial>,
    /// Of each axis for the objective, the greatest share first; empty where that is not known.
    #[serde(default)]
    pub importance: Vec<Importance>,
}

/// What is sought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// `evaluate.f1`
    pub metric: String,
    pub direction: Direction,
}

/// What is varied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// As the pipeline has it: `cnn.params.learning_rate`.
    pub name: String,
    /// The shortest name that no other axis has: `learning_rate`.
    pub label: String,
    pub kind: AxisKind,
}

/// How the values of an axis are related.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AxisKind {
    Numeric,
    /// Numbers above 0, compared by magnitude.
    Log,
    /// Names, truth values, whole lists or maps.
    Choice,
}

/// When trials are compared to stop the worse ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rungs {
    /// What is compared: `validation_loss`.
    pub metric: String,
    /// The epochs, ascending; the last is the most that a trial is given.
    pub epochs: Vec<u64>,
}

/// One trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// What it is called by, from 1.
    pub number: usize,
    /// By the label of the axis; an axis that does not apply to this trial is not here.
    pub values: Map<String, Value>,
    /// By the label of the axis: the spelling of a value, where it is not the canonical one (`3.10`, `1e-3`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spellings: BTreeMap<String, String>,
    pub state: TrialState,
    /// The objective, the mean over seeds; none where it is not known, or is no finite number.
    pub objective: Option<f64>,
    /// Standard deviation over seeds, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// The 95 % interval of the objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// The objective of each seed, in their order.
    #[serde(default)]
    pub seeds: Vec<SeedValue>,
    /// Epochs trained, the most of its seeds; none where nothing was trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Epochs that it would be trained if nothing stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_epochs: Option<u64>,
    /// Time of the stages that only this trial has, in seconds.
    pub seconds: f64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The metric of the rungs (or another that training gives) after each epoch; none where it was no
    /// finite number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<(u64, Option<f64>)>,
}

/// The objective with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeedValue {
    pub seed: u64,
    pub value: Option<f64>,
}

/// How a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrialState {
    Finished,
    StoppedEarly,
    /// It came to a rung, and is not decided on yet.
    Waiting,
    Failed,
    NotRun,
}

impl fmt::Display for TrialState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Finished => "finished",
            Self::StoppedEarly => "stopped early",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::NotRun => "not run",
        })
    }
}

/// How much of what differs between trials comes of an axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// The label of the axis.
    pub axis: String,
    /// Between 0 and 1; none if it cannot be told.
    pub share: Option<f64>,
    /// Whether more is better (above 0) or worse, between -1 and 1; none of choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<f64>,
    /// What else is to be known of the figure; empty if nothing.
    #[serde(default)]
    pub note: String,
}

impl SweepReport {
    /// The metric that is sought, in words.
    pub fn metric(&self) -> &str {
        let objective = self.objective.as_ref();
        objective.map_or("objective", |objective| &objective.metric)
    }

    /// `, highest evaluate.f1 first`; nothing where trials are not ranked.
    pub fn order(&self) -> String {
        let Some(Objective { metric, direction }) = &self.objective else {
            return String::new();
        };
        let word = match direction {
            Direction::Maximize => "highest",
            Direction::Minimize => "lowest",
        };
        format!(", {word} {metric} first")
    }

    /// Which way is better.
    pub fn direction(&self) -> Direction {
        let objective = self.objective.as_ref();
        objective.map_or(Direction::Maximize, |objective| objective.direction)
    }

    /// How many trials there are of each state.
    pub fn counts(&self) -> BTreeMap<TrialState, usize> {
        let mut counts = BTreeMap::new();
        for trial in &self.trials {
            *counts.entry(trial.state).or_default() += 1;
        }
        counts
    }

    /// `40 trials by tpe: 12 finished, 27 stopped early, 1 failed`.
    pub fn summary(&self) -> String {
        let counts = self.counts().into_iter();
        let counts: Vec<String> = counts
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        let trials = super::super::wording::counted(self.trials.len(), "trial");
        if counts.is_empty() {
            return format!("no trials by {}", self.method);
        }
        format!("{trials} by {}: {}", self.method, counts.join(", "))
    }
}
