//! Figures of a sweep, as data.

use contract::analysis::{
    Coordinate, Curve, Figure, LearningCurves, Line, ParallelCoordinates, Scale,
};
use engine::sweep::record::{Axis, AxisKind, SweepReport, Trial, TrialState};
use serde_json::Value;

use crate::shortened;

/// Longest name of a choice, in characters.
const LONGEST: usize = 20;

/// Passes on a figure with an axis for each parameter and one for the objective, and a line for each trial that
/// has an objective.
pub fn parallel_coordinates<T>(report: &SweepReport, draw: impl FnOnce(&Figure<'_>) -> T) -> T {
    let trials: Vec<&Trial> = report
        .trials
        .iter()
        .filter(|trial| matches!(trial.state, TrialState::Finished | TrialState::StoppedEarly))
        .filter(|trial| trial.objective.is_some_and(f64::is_finite))
        .collect();
    let axes: Vec<(Coordinate, Vec<Option<f64>>)> = report
        .axes
        .iter()
        .map(|axis| coordinate(axis, &trials))
        .collect();
    let lines: Vec<Line> = trials
        .iter()
        .enumerate()
        .map(|(at, trial)| Line {
            trial: trial.number,
            values: axes.iter().map(|(_, values)| values[at]).collect(),
            objective: trial.objective.unwrap_or(f64::NAN),
        })
        .collect();
    let (axes, _): (Vec<Coordinate>, Vec<_>) = axes.into_iter().unzip();
    let best = best(report, &trials);
    let figure = Figure::ParallelCoordinates(ParallelCoordinates {
        title: &report.pipeline,
        axes: &axes,
        objective: report.metric(),
        direction: report.direction(),
        trials: &lines,
        best: best.as_ref().map(|(at, name)| (*at, name.as_str())),
    });
    draw(&figure)
}

/// Passes on a figure with a line for each trial that has a learning curve. Returns `None` if none has one.
pub fn learning_curves<T>(report: &SweepReport, draw: impl FnOnce(&Figure<'_>) -> T) -> Option<T> {
    let trials: Vec<&Trial> = report
        .trials
        .iter()
        .filter(|trial| !trial.curve.is_empty())
        .collect();
    if trials.is_empty() {
        return None;
    }
    let curves: Vec<Curve> = trials
        .iter()
        .map(|trial| Curve {
            trial: trial.number,
            points: trial
                .curve
                .iter()
                .map(|&(epoch, value)| (epoch as f64, value.unwrap_or(f64::NAN)))
                .collect(),
            stopped: trial.state != TrialState::Finished,
        })
        .collect();
    let (metric, rungs) = match &report.rungs {
        Some(rungs) => (rungs.metric.as_str(), rungs.epochs.as_slice()),
        None => (report.metric(), [].as_slice()),
    };
    let best = best(report, &trials);
    let figure = Figure::LearningCurves(LearningCurves {
        title: &report.pipeline,
        metric,
        curves: &curves,
        best: best.as_ref().map(|(at, name)| (*at, name.as_str())),
        rungs,
    });
    Some(draw(&figure))
}

/// Position of the best trial among those shown, and its name.
fn best(report: &SweepReport, shown: &[&Trial]) -> Option<(usize, String)> {
    let best = report.best()?.number;
    let at = shown.iter().position(|trial| trial.number == best)?;
    Some((at, format!("trial {best}")))
}

/// An axis, and the position of each trial on it. Choices are sorted: numbers by value, then everything
/// else.
fn coordinate(axis: &Axis, trials: &[&Trial]) -> (Coordinate, Vec<Option<f64>>) {
    let value = |trial: &&Trial| trial.values.get(&axis.label).cloned();
    let values: Vec<Option<Value>> = trials.iter().map(value).collect();
    let named = |scale: Scale| Coordinate {
        name: axis.label.clone(),
        scale,
    };
    let numbers: Option<Vec<Option<f64>>> = values
        .iter()
        .map(|value| match value {
            None => Some(None),
            Some(value) => value.as_f64().map(Some),
        })
        .collect();
    match (axis.kind, numbers) {
        (AxisKind::Numeric, Some(numbers)) => return (named(Scale::Linear), numbers),
        (AxisKind::Log, Some(numbers)) => return (named(Scale::Log), numbers),
        _ => {}
    }
    let mut choices: Vec<&Value> = Vec::new();
    for value in values.iter().flatten() {
        if !choices.contains(&value) {
            choices.push(value);
        }
    }
    choices.sort_by(|a, b| {
        let numbers = match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        numbers.then_with(|| a.to_string().cmp(&b.to_string()))
    });
    let places = values.iter().map(|value| {
        let at = choices
            .iter()
            .position(|choice| Some(*choice) == value.as_ref());
        at.map(|at| at as f64)
    });
    let places = places.collect();
    let names = choices
        .iter()
        .map(|choice| shortened::value(choice, LONGEST));
    (named(Scale::Choice(names.collect())), places)
}
