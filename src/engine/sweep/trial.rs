//! A trial, and how far it has come.

use contract::Direction;

use super::MetricAt;
use crate::spec::{Node, Value};

/// What makes one trial better than another.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    pub metric: MetricAt,
    /// As written, or else as the metric itself says, once one is known.
    pub direction: Option<Direction>,
}

/// One trial of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// From 1, in the order in which trials were chosen.
    pub number: usize,
    pub values: Vec<TrialValue>,
    pub state: TrialState,
    /// The objective for each seed.
    pub objective: Vec<f64>,
    /// Where trainings are halved: the rungs that the trial has reached, in epochs, and the mean of the
    /// rung's metric over its seeds.
    pub rungs: Vec<(u64, f64)>,
    /// Its copies of the pipeline, by their position in the graph, one for each seed; of the furthest rung.
    pub copies: Vec<usize>,
    /// Those of all its rungs.
    pub all_copies: Vec<usize>,
    /// Epochs of its training so far, where trainings are halved.
    pub epochs: Option<u64>,
}

/// What a sweep comprises.
#[derive(Clone, Debug, PartialEq)]
pub struct Extent {
    /// `grid`, `random`, `tpe`.
    pub method: &'static str,
    /// The most that there may be.
    pub trials: usize,
    /// Of each trial.
    pub seeds: usize,
    /// What is varied, and over which values, in a few words.
    pub axes: Vec<(String, String)>,
    /// Epochs after which trainings are compared; none where none is stopped.
    pub rungs: Vec<u64>,
}

/// What a trial has on an axis that applies to it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialValue {
    /// The var or parameter.
    pub name: String,
    /// The axis, in short.
    pub label: String,
    /// The value in a word.
    pub text: String,
    pub value: Node,
}

/// How far a trial has come.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialState {
    /// Not all of it was run.
    Open,
    Finished,
    /// Others were better after so many epochs.
    Stopped,
    Failed(String),
}

impl TrialValue {
    /// How a number or boolean is written, where that is not its canonical form.
    pub fn own_spelling(&self) -> Option<&str> {
        match &self.value.value {
            Value::Number(plain) => plain.own_spelling(),
            Value::Bool(plain) => plain.own_spelling(),
            Value::Null | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
        }
    }
}

impl Trial {
    /// Its values by axis: `learning_rate=0.001, zoom=0.1`.
    pub fn values_in_words(&self) -> String {
        let values = self.values.iter();
        let values: Vec<String> = values
            .map(|value| format!("{}={}", value.label, value.text))
            .collect();
        values.join(", ")
    }

    /// Mean of the objective over the seeds; nothing before it is known.
    pub fn mean(&self) -> Option<f64> {
        let count = self.objective.len();
        (count > 0).then(|| self.objective.iter().sum::<f64>() / count as f64)
    }
}
