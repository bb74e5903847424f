//! Builds the report of a sweep from its experiment and the store.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use contract::analysis::Analysis;
use contract::{Direction, ShowPath};
use petgraph::graph::NodeIndex;
use serde_json::{Map, Value};

use super::curve;
use crate::error::Error;
use crate::graph::Graph;
use crate::plan::{Plan, PlanOptions, State};
use crate::run::Outcomes;
use crate::run::planned;
use crate::run::replay::replay;
use crate::run::run_metrics;
use crate::sweep::record::{
    Axis, AxisKind, Objective, Rungs, SeedValue, SweepReport, Trial, TrialState,
};
use crate::sweep::{self, Experiment, MetricAt};
use crate::wording;
use store::Store;

/// Name of the file in a run's folder with its trials and all decisions about them.
const RECORD: &str = "sweep.json";

/// Builds the report of a sweep from the results in the store.
pub fn stored_report(
    mut experiment: Experiment,
    store: &Store,
    analysis: &dyn Analysis,
) -> Result<SweepReport, Error> {
    let outcomes = replay(&mut experiment, store)?;
    report(&experiment, store, &outcomes, analysis)
}

/// Builds the report of a sweep from the outcomes of its stages.
pub fn report(
    experiment: &Experiment,
    store: &Store,
    outcomes: &Outcomes<'_>,
    analysis: &dyn Analysis,
) -> Result<SweepReport, Error> {
    let graph = experiment.graph();
    let options = PlanOptions {
        until: experiment.reach().map(<[NodeIndex]>::to_vec),
        ..PlanOptions::default()
    };
    let plan = planned(graph, store, &options)?;
    let axes = experiment.axes();
    let objective = experiment.objective();
    let rungs = experiment.rungs();
    let own = own_nodes(graph, experiment.trials());
    let trials = experiment.trials().iter().map(|trial| {
        let seconds = own[&trial.number].iter();
        Trial {
            seconds: seconds.fold(0.0, |sum, &node| sum + seconds_of(&plan, node)),
            curve: match &rungs {
                Some((metric, _)) => curve_of(store, graph, outcomes, trial, metric),
                None => Vec::new(),
            },
            ..of_trial(trial, experiment, &axes, analysis)
        }
    });
    let trials: Vec<Trial> = trials.collect();
    let (importance_of, importance) = experiment.importance().unzip();
    let best = experiment.shown();
    let mut best_metrics = run_metrics::headline_means(experiment, store, &outcomes.outputs, &best);
    best_metrics.retain(|(name, _)| {
        objective.is_none_or(|objective| *name != objective.metric.to_string())
    });
    Ok(SweepReport {
        best_metrics,
        pipeline: experiment.pipeline.clone(),
        method: experiment.extent().method.to_owned(),
        objective: objective.map(|objective| Objective {
            metric: objective.metric.to_string(),
            // Without results there is nothing to rank yet, so the direction does not matter.
            direction: objective.direction.unwrap_or(Direction::Maximize),
            is_contradicted: objective.is_contradicted(),
            of: objective.of.clone(),
        }),
        importance: importance.unwrap_or_default(),
        importance_of,
        axes,
        rungs: rungs.map(|(metric, epochs)| Rungs {
            metric: metric.metric.clone(),
            epochs: epochs.to_vec(),
        }),
        trials,
    })
}

/// Writes the report of a sweep and all its decisions to the folder of a run.
pub fn write_report(
    experiment: &Experiment,
    store: &Store,
    outcomes: &Outcomes<'_>,
    folder: &Path,
    analysis: &dyn Analysis,
) -> Result<SweepReport, Error> {
    let report = report(experiment, store, outcomes, analysis)?;
    let internal = |e: serde_json::Error| Error::Internal(e.to_string());
    let mut object = serde_json::to_value(&report).map_err(internal)?;
    object["decisions"] = serde_json::to_value(experiment.decisions()).map_err(internal)?;
    let path = folder.join(RECORD);
    fs::write(&path, format!("{object:#}\n")).map_err(Error::io("write", &path))?;
    Ok(report)
}

/// Reads the report of a sweep from the folder of a run; `None` if it is missing or damaged.
pub fn read_report(folder: &Path) -> Option<SweepReport> {
    let store::Found::Bytes(bytes) = store::read_file(&folder.join(RECORD)).ok()? else {
        return None;
    };
    serde_json::from_slice(&bytes)
        .inspect_err(|error| tracing::warn!("`{RECORD}` in `{}`: {error}", folder.shown()))
        .ok()
}

/// Returns an error if a trial failed, because of a stage, a missing or undefined metric, or an invalid pipeline.
pub fn verdict(report: &SweepReport) -> Result<(), Error> {
    let failed = |trial: &&Trial| match trial.state {
        TrialState::Failed | TrialState::Undefined => true,
        TrialState::Finished
        | TrialState::StoppedEarly
        | TrialState::Waiting
        | TrialState::NotRun => false,
    };
    let mut failed = report.trials.iter().filter(failed);
    let Some(first) = failed.next() else {
        return Ok(());
    };
    let error = first.error.as_deref().unwrap_or_default();
    let trials = wording::counted(1 + failed.count(), "trial");
    Err(Error::StagesFailed(format!("{trials} ({error})")))
}

/// Reports a trial, except for its time and its curve.
fn of_trial(
    trial: &sweep::Trial,
    experiment: &Experiment,
    axes: &[Axis],
    analysis: &dyn Analysis,
) -> Trial {
    let values: Map<String, Value> = trial
        .values
        .iter()
        .map(|value| (value.label.clone(), shown(value, axes)))
        .collect();
    let spellings = trial.values.iter().filter_map(|value| {
        let spelling = value.own_spelling()?;
        Some((value.label.clone(), spelling.to_owned()))
    });
    let folds = experiment.folds();
    // Folds are not independent: an interval is that of seeds, each with the mean over its folds.
    let objective: Vec<f64> = trial
        .objective
        .chunks(folds)
        .map(|folds| folds.iter().sum::<f64>() / folds.len() as f64)
        .collect();
    let of_seeds = analysis.spread(&objective);
    let of_folds = (folds > 1)
        .then(|| analysis.spread(&trial.objective))
        .flatten();
    let seeds = experiment.seeds();
    let seeds = seeds.iter().zip(&objective);
    let (state, error) = match &trial.state {
        sweep::TrialState::Open if trial.rungs.is_empty() => (TrialState::NotRun, None),
        sweep::TrialState::Open => (TrialState::Waiting, None),
        sweep::TrialState::Finished => (TrialState::Finished, None),
        sweep::TrialState::Stopped if experiment.is_incomplete() => (TrialState::Waiting, None),
        sweep::TrialState::Stopped => (TrialState::StoppedEarly, None),
        sweep::TrialState::Failed(error) => (TrialState::Failed, Some(error.clone())),
        sweep::TrialState::Undefined(error) => (TrialState::Undefined, Some(error.clone())),
    };
    Trial {
        number: trial.number,
        values,
        spellings: spellings.collect(),
        state,
        objective: of_seeds.as_ref().map(|summary| summary.mean),
        deviation: match (objective.as_slice(), of_folds) {
            ([_], Some(of_folds)) => of_folds.sd,
            _ => of_seeds.as_ref().and_then(|summary| summary.sd),
        },
        folds: (folds > 1).then_some(folds),
        interval: of_seeds.and_then(|summary| {
            let ends = summary.interval?.ends;
            Some(match experiment.objective() {
                Some(objective) => within(ends, objective.range),
                None => ends,
            })
        }),
        seeds: if experiment.seeds().len() > 1 {
            let seed = |(&seed, &value): (&u64, &f64)| SeedValue {
                seed,
                value: Some(value),
            };
            seeds.map(seed).collect()
        } else {
            Vec::new()
        },
        epochs: trial.epochs,
        max_epochs: experiment
            .rungs()
            .and_then(|(_, epochs)| epochs.last().copied()),
        seconds: 0.0,
        error,
        curve: Vec::new(),
    }
}

/// Cuts an interval off at the limits of a metric. Student's t knows no limits, so it may go beyond them.
fn within(ends: [f64; 2], [lowest, highest]: [f64; 2]) -> [f64; 2] {
    match lowest <= highest {
        true => ends.map(|end| end.clamp(lowest, highest)),
        false => ends,
    }
}

/// A value for display. Lists and maps are shown by their names, and so are numbers that are choices with a
/// spelling of their own.
fn shown(value: &sweep::TrialValue, axes: &[Axis]) -> Value {
    let is_choice = |axis: &Axis| axis.label == value.label && axis.kind == AxisKind::Choice;
    match value.value.to_json() {
        Value::Array(_) | Value::Object(_) => Value::String(value.text.clone()),
        _ if value.own_spelling().is_some() && axes.iter().any(is_choice) => {
            Value::String(value.text.clone())
        }
        scalar => scalar,
    }
}

/// The instances that belong to one trial only, by the number of that trial.
fn own_nodes(graph: &Graph, trials: &[sweep::Trial]) -> HashMap<usize, Vec<NodeIndex>> {
    let nodes = |trial: &sweep::Trial| {
        let copies = trial.all_copies.iter();
        let nodes: HashSet<NodeIndex> = copies
            .flat_map(|&copy| graph.copies[copy].nodes.iter().copied())
            .collect();
        nodes
    };
    let mut uses: HashMap<NodeIndex, usize> = HashMap::new();
    for trial in trials {
        for node in nodes(trial) {
            *uses.entry(node).or_default() += 1;
        }
    }
    let own = |trial: &sweep::Trial| {
        let mut own: Vec<NodeIndex> = nodes(trial)
            .into_iter()
            .filter(|node| uses[node] == 1)
            .collect();
        own.sort();
        (trial.number, own)
    };
    trials.iter().map(own).collect()
}

/// Seconds that a stage took when it was run; 0 if it is not cached.
fn seconds_of(plan: &Plan, node: NodeIndex) -> f64 {
    match plan.get(node).map(|action| &action.state) {
        Some(State::Cached(record)) => record.seconds,
        _ => 0.0,
    }
}

/// The learning curve of a trial, for its first seed.
fn curve_of(
    store: &Store,
    graph: &Graph,
    outcomes: &Outcomes<'_>,
    trial: &sweep::Trial,
    metric: &MetricAt,
) -> Vec<(u64, Option<f64>)> {
    let copy = trial.copies.first().map(|&copy| &graph.copies[copy].nodes);
    let node = copy.and_then(|nodes| metric.node(graph, nodes));
    let output = node.and_then(|node| outcomes.outputs.get(&node)?.get(&metric.port));
    output.map_or_else(Vec::new, |output| {
        curve::read(store, output, &metric.metric)
    })
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn intervals_end_at_the_limits_of_the_metric() {
        let loss = [0.0, f64::INFINITY];
        assert_eq!(within([-1.7, 3.5], loss), [0.0, 3.5]);
        assert_eq!(within([0.9, 1.2], [0.0, 1.0]), [0.9, 1.0]);
        assert_eq!(within([-1.7, 3.5], contract::ANY), [-1.7, 3.5]);
    }
}
