//! [`Trial`]: a trial of a sweep with its state and its results.

use contract::Direction;

use super::MetricAt;
use crate::spec::{Node, Value};

/// Metric by which trials are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    pub metric: MetricAt,
    /// Direction of improvement as written, or else the metric's own once a value is known.
    pub direction: Option<Direction>,
    /// Direction in which the metric improves by the stage's results, once a value is known; `None` if it is neutral.
    pub found_direction: Option<Direction>,
    /// `true` if the stage declares the direction.
    pub is_direction_declared: bool,
    /// The class that the metric is of, once a value is known.
    pub of: Option<String>,
    /// Lowest and highest possible value; infinite where there is no limit.
    pub range: [f64; 2],
}

impl Objective {
    /// Returns `true` if trials are compared in the opposite direction of the one in the stage's results. A declared
    /// direction does not count: the contradiction was reported before the run.
    pub fn is_contradicted(&self) -> bool {
        let found = self.found_direction.filter(|_| !self.is_direction_declared);
        found.is_some_and(|found| self.direction.is_some_and(|chosen| chosen != found))
    }
}

/// Negates a value if smaller is better. Without a direction, larger is better.
pub(super) fn larger_is_better(value: f64, direction: Option<Direction>) -> f64 {
    match direction {
        Some(Direction::Minimize) => -value,
        _ => value,
    }
}

/// A trial of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Counted from 1, in the order in which trials were chosen.
    pub number: usize,
    pub values: Vec<TrialValue>,
    pub state: TrialState,
    /// The objective for each seed and fold: all folds of the first seed, then those of the next.
    pub objective: Vec<f64>,
    /// With successive halving: the rungs that the trial has reached, in epochs, and the metric there,
    /// averaged over its seeds and folds.
    pub rungs: Vec<(u64, f64)>,
    /// Indices of its copies of the pipeline in the graph, one for each seed and fold, for the highest rung so far.
    pub copies: Vec<usize>,
    /// Indices of its copies for all rungs.
    pub all_copies: Vec<usize>,
    /// With successive halving: epochs that it was trained for so far.
    pub epochs: Option<u64>,
}

/// Size and axes of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Extent {
    /// `grid`, `random` or `tpe`.
    pub method: &'static str,
    /// Maximum number of trials.
    pub trials: usize,
    /// Number of seeds for each trial.
    pub seeds: usize,
    /// Number of folds for each seed; 1 without a cross-validation.
    pub folds: usize,
    /// Names of the axes, and their values in a few words.
    pub axes: Vec<(String, String)>,
    /// Epochs of the rungs; empty without successive halving.
    pub rungs: Vec<u64>,
}

/// A trial's value on an axis that applies to it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialValue {
    /// The var or parameter that is varied.
    pub name: String,
    /// Short name of the axis.
    pub label: String,
    /// The value as short text.
    pub text: String,
    pub value: Node,
}

/// State of a trial.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialState {
    /// Not all of its stages have run.
    Open,
    Finished,
    /// Stopped at a rung, unless it is promoted later.
    Stopped,
    Failed(String),
    /// All stages have run, but the objective or the metric of the rungs is undefined. The trial counts as failed.
    Undefined(String),
}

impl TrialValue {
    /// Returns the spelling of a number or boolean if it differs from the canonical one.
    pub fn own_spelling(&self) -> Option<&str> {
        match &self.value.value {
            Value::Number(plain) => plain.own_spelling(),
            Value::Bool(plain) => plain.own_spelling(),
            Value::Null | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
        }
    }
}

impl Trial {
    /// Formats its values by axis: `learning_rate=0.001, zoom=0.1`.
    pub fn values_in_words(&self) -> String {
        let values = self.values.iter();
        let values: Vec<String> = values
            .map(|value| format!("{}={}", value.label, value.text))
            .collect();
        values.join(", ")
    }

    /// Returns the mean of the objective over the seeds and folds, or `None` if it is not known yet.
    pub fn mean(&self) -> Option<f64> {
        let count = self.objective.len();
        (count > 0).then(|| self.objective.iter().sum::<f64>() / count as f64)
    }
}
