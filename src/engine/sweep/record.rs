//! The data of a sweep report.

use std::collections::BTreeMap;
use std::fmt;

use contract::{Direction, one_line};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::wording::counted;

/// A sweep: what was varied, what was optimized, and the result of each trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepReport {
    /// Name of the pipeline.
    pub pipeline: String,
    /// `grid`, `random`, `tpe`.
    pub method: String,
    /// `None` if trials are not ranked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// In the order of the file.
    pub axes: Vec<Axis>,
    /// The rungs where trials may be stopped early; `None` if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rungs: Option<Rungs>,
    /// In any order.
    pub trials: Vec<Trial>,
    /// Importance of each axis, greatest share first; empty if no trial has a value.
    #[serde(default)]
    pub importance: Vec<Importance>,
    /// The metric and the estimator of `importance`; `None` if it is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importance_of: Option<ImportanceOf>,
    /// The most important metrics of the best trial besides the objective, such as those on test images: their names
    /// and the means over the trial's seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub best_metrics: Vec<(String, f64)>,
}

/// The metric that is optimized.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// `evaluate.f1`
    pub metric: String,
    pub direction: Direction,
    /// `true` if the stage declared no direction before the run, and wrote the opposite one into its results.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_contradicted: bool,
    /// The class that the metric is of; `None` if it covers all classes or no value is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
}

/// A value that is varied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// The full name, as in the pipeline: `cnn.params.learning_rate`.
    pub name: String,
    /// The last part of the name (`learning_rate`), or the full name if that part is reserved or not unique.
    pub label: String,
    pub kind: AxisKind,
}

/// Order and distance of the values of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AxisKind {
    Numeric,
    /// Numbers above 0, on a logarithmic scale.
    Log,
    /// Names, booleans, whole lists or maps.
    Choice,
}

/// The rungs at which trials are compared so that the worse ones can be stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rungs {
    /// The metric that is compared: `validation_loss`.
    pub metric: String,
    /// Epochs of the rungs, ascending. The last one is the length of a full training.
    pub epochs: Vec<u64>,
}

/// One trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Number of the trial, counted from 1.
    pub number: usize,
    /// Values by the label of the axis. An axis that does not apply to this trial is missing.
    pub values: Map<String, Value>,
    /// Spellings by the label of the axis, for values whose spelling is not the canonical one (`3.10`,
    /// `1e-3`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spellings: BTreeMap<String, String>,
    pub state: TrialState,
    /// The mean of the objective over seeds and folds; `None` if it is not known or not finite.
    pub objective: Option<f64>,
    /// Standard deviation over seeds, if there are several, or else over the folds of a cross-validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// The 95 % interval of the mean over seeds, by Student's t, within the range of the metric. It does not account
    /// for the choice of images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Number of folds of a cross-validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    /// The objective of each seed, in the order of the seeds; empty if there is only one. In a cross-validation, the
    /// mean over the folds.
    #[serde(default)]
    pub seeds: Vec<SeedValue>,
    /// With successive halving: epochs that the trial was trained for; `None` if no rung was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// With successive halving: epochs of a trial that is never stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_epochs: Option<u64>,
    /// Time of the stages that belong only to this trial, in seconds.
    pub seconds: f64,
    /// Reason why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The learning curve of the first seed: the metric of the rungs after each epoch, `None` if it was not finite.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<(u64, Option<f64>)>,
}

/// The objective for one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeedValue {
    pub seed: u64,
    pub value: Option<f64>,
}

/// State of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrialState {
    Finished,
    StoppedEarly,
    /// It reached a rung, where it is not yet decided whether it continues.
    Waiting,
    /// All its stages have run, but the objective is undefined. It counts as failed.
    Undefined,
    Failed,
    NotRun,
}

impl fmt::Display for TrialState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Finished => "finished",
            Self::StoppedEarly => "stopped early",
            Self::Waiting => "waiting",
            Self::Undefined => "without objective",
            Self::Failed => "failed",
            Self::NotRun => "not run",
        })
    }
}

/// The metric, trials and estimator that the importance of axes was computed with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportanceOf {
    /// `fANOVA`: shares of a model's variance over the whole declared space.
    pub estimator: String,
    /// The objective. With successive halving, the metric of the rungs.
    pub metric: String,
    pub direction: Direction,
    /// With successive halving: the first rung, at which the metric was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Number of trials with a value.
    pub trials: usize,
    /// Share of the variance that depends on several axes together; `None` if there are no shares.
    pub jointly: Option<f64>,
    /// Reason why there are no shares; empty if there are.
    #[serde(default)]
    pub note: String,
}

/// The share of a metric's variance that an axis explains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// The label of the axis.
    pub axis: String,
    /// The part of the variance over the declared space that the axis explains by itself, between 0 and 1; `None`
    /// if it cannot be determined.
    pub share: Option<f64>,
    /// Rank correlation of the axis with the metric over the trials, from -1 to 1. If the metric is minimized, a
    /// value above 0 means that more is worse. `None` for choices, or if it cannot be determined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<f64>,
    /// Reason why the share is missing, or the axes that vary together with this one; may be empty.
    #[serde(default)]
    pub note: String,
}

impl SweepReport {
    /// Name of the objective's metric, or `objective` if there is none.
    pub fn metric(&self) -> &str {
        let objective = self.objective.as_ref();
        objective.map_or("objective", |objective| &objective.metric)
    }

    /// `, highest evaluate.f1 of PNEUMONIA first`; empty if trials are not ranked.
    pub fn order(&self) -> String {
        let Some(Objective {
            metric,
            direction,
            of,
            ..
        }) = &self.objective
        else {
            return String::new();
        };
        let word = match direction {
            Direction::Maximize => "highest",
            Direction::Minimize => "lowest",
        };
        let of = of.as_ref().map(|class| format!(" of {class}"));
        format!(", {word} {metric}{} first", of.unwrap_or_default())
    }

    /// The direction of the objective; [`Direction::Maximize`] if there is none.
    pub fn direction(&self) -> Direction {
        let objective = self.objective.as_ref();
        objective.map_or(Direction::Maximize, |objective| objective.direction)
    }

    /// The warning that the order of the trials contradicts the direction that the stage wrote into its results; `None`
    /// if it does not.
    pub fn contradiction(&self) -> Option<String> {
        let objective = self.objective.as_ref().filter(|one| one.is_contradicted)?;
        let (better, chosen) = match objective.direction {
            Direction::Maximize => ("lower", "highest"),
            Direction::Minimize => ("higher", "lowest"),
        };
        Some(format!(
            "warning: {better} values of `{}` are better according to the results, but the objective's `direction` \
             prefers the trial with the {chosen}",
            one_line(&objective.metric)
        ))
    }

    /// Number of trials in each state.
    pub fn counts(&self) -> BTreeMap<TrialState, usize> {
        let mut counts = BTreeMap::new();
        for trial in &self.trials {
            *counts.entry(trial.state).or_default() += 1;
        }
        counts
    }

    /// Says why there is no best trial: ``the objective `evaluate.f1` is undefined for 4 trials (…); 2 trials failed``.
    /// `None` if there is one, or if trials are not ranked.
    pub fn why_no_best(&self) -> Option<String> {
        if self.best().is_some() {
            return None;
        }
        let metric = &self.objective.as_ref()?.metric;
        let of = |state: TrialState| self.trials.iter().filter(move |trial| trial.state == state);
        let trials = |state| counted(of(state).count(), "trial");
        let mut parts = Vec::new();
        if let Some(first) = of(TrialState::Undefined).next() {
            let why = first.error.as_deref().unwrap_or_default();
            let trials = trials(TrialState::Undefined);
            let number = first.number;
            parts.push(format!(
                "the objective `{metric}` has no value in {trials} (trial {number}: {why})"
            ));
        }
        if of(TrialState::Failed).next().is_some() {
            parts.push(format!("{} failed", trials(TrialState::Failed)));
        }
        match parts.is_empty() {
            true => Some("no trial has finished yet".to_owned()),
            false => Some(parts.join("; ")),
        }
    }

    /// `40 trials by tpe: 12 finished, 27 stopped early, 1 failed`.
    pub fn summary(&self) -> String {
        let counts = self.counts().into_iter();
        let counts: Vec<String> = counts
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        let trials = counted(self.trials.len(), "trial");
        if counts.is_empty() {
            return format!("no trials by {}", self.method);
        }
        format!("{trials} by {}: {}", self.method, counts.join(", "))
    }
}
