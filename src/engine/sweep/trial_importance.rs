//! Importance of each axis, from the trials of a sweep.

use contract::Direction;

use super::importance::{self, FEWEST, shares, spearman};
use super::record::{Axis, AxisKind, Importance, ImportanceOf};
use super::space::Point;
use super::trial::Trial;
use super::trials::Trials;

impl Trials {
    /// Returns the importance of each of `axes`, greatest share first, and what it is the importance for; `None` if
    /// there is no objective or no trial has a value.
    pub(super) fn importance(&self, axes: &[Axis]) -> Option<(ImportanceOf, Vec<Importance>)> {
        let objective = self.sweep.objective.as_ref()?;
        let (metric, direction, first) = match &self.sweep.rungs {
            Some(rungs) if rungs.halving.rungs().len() > 1 => {
                let first = rungs.halving.rungs()[0];
                (rungs.metric.to_string(), rungs.direction, Some(first))
            }
            _ => (objective.metric.to_string(), objective.direction, None),
        };
        let measured: Vec<(usize, f64)> = measured(&self.trials, first);
        let (used, values): (Vec<usize>, Vec<f64>) = measured.into_iter().unzip();
        if used.is_empty() {
            return None;
        }
        let points: Vec<Point> = used.iter().map(|&at| self.points[at].clone()).collect();
        let (found, note) = match shares(&self.sweep.design.space, &points, &values) {
            Ok(shares) => (Some(shares), String::new()),
            Err(missing) => (None, missing.text()),
        };
        let of = ImportanceOf {
            estimator: importance::NAME.to_owned(),
            metric,
            direction: direction.unwrap_or(Direction::Maximize),
            epochs: first,
            trials: values.len(),
            jointly: found
                .as_ref()
                .map(|shares| 1.0 - shares.iter().sum::<f64>()),
            note,
        };
        let trials: Vec<&Trial> = used.iter().map(|&at| &self.trials[at]).collect();
        let mut all: Vec<Importance> = Vec::new();
        for (group, members) in self.sweep.design.members.iter().enumerate() {
            let first = &points[0][group];
            let is_constant = points.iter().all(|point| point[group] == *first);
            let share = found.as_ref().map(|shares| shares[group]);
            for &member in members {
                let others = members.iter().filter(|&&other| other != member);
                let others: Vec<&str> = others.map(|&other| axes[other].label.as_str()).collect();
                all.push(Importance {
                    axis: axes[member].label.clone(),
                    share: share.filter(|_| !is_constant),
                    correlation: correlation(&axes[member], &trials, &values),
                    note: match (is_constant, others.as_slice()) {
                        (true, _) => "the axis did not vary".to_owned(),
                        (false, []) => String::new(),
                        (false, others) => format!("together with {}", others.join(", ")),
                    },
                });
            }
        }
        let share = |importance: &Importance| importance.share.unwrap_or(-1.0);
        all.sort_by(|a, b| share(b).total_cmp(&share(a)));
        Some((of, all))
    }
}

/// Returns the trials with a value and their values, by which axes are compared.
///
/// Halving lets only good trials reach the objective, and trials on different rungs are not comparable. So with
/// several rungs, the value is the metric of the rungs at the `first` one, which every trial is trained to.
fn measured(trials: &[Trial], first: Option<u64>) -> Vec<(usize, f64)> {
    let value = |trial: &Trial| match first {
        None => trial.mean(),
        Some(first) => {
            let mut rungs = trial.rungs.iter();
            rungs
                .find(|(epochs, _)| *epochs == first)
                .map(|rung| rung.1)
        }
    };
    let trials = trials.iter().enumerate();
    trials
        .filter_map(|(at, trial)| Some((at, value(trial).filter(|value| value.is_finite())?)))
        .collect()
}

/// Returns the rank correlation of a numeric axis with the values, over the trials that it applies to; `None` if
/// there are too few of them.
fn correlation(axis: &Axis, trials: &[&Trial], values: &[f64]) -> Option<f64> {
    if axis.kind == AxisKind::Choice {
        return None;
    }
    let number = |trial: &Trial| {
        let mut of_trial = trial.values.iter();
        let found = of_trial.find(|value| value.label == axis.label)?;
        found.value.to_json().as_f64()
    };
    let pairs = trials.iter().zip(values);
    let (numbers, values): (Vec<f64>, Vec<f64>) = pairs
        .filter_map(|(trial, value)| Some((number(trial)?, *value)))
        .unzip();
    (values.len() >= FEWEST)
        .then(|| spearman(&numbers, &values))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::measured;
    use crate::sweep::trial::{Trial, TrialState};

    fn trial(state: TrialState, objective: &[f64], rungs: &[(u64, f64)]) -> Trial {
        Trial {
            number: 1,
            values: Vec::new(),
            state,
            objective: objective.to_vec(),
            rungs: rungs.to_vec(),
            copies: Vec::new(),
            all_copies: Vec::new(),
            epochs: None,
        }
    }

    #[test]
    fn with_halving_all_trials_are_compared_at_the_first_rung() {
        let trials = [
            trial(TrialState::Stopped, &[], &[(1, 0.7)]),
            trial(
                TrialState::Finished,
                &[0.9],
                &[(1, 0.5), (3, 0.4), (9, 0.3)],
            ),
            trial(TrialState::Failed(String::new()), &[], &[]),
            trial(TrialState::Stopped, &[], &[(1, 0.6), (3, 0.2)]),
            trial(TrialState::Failed(String::new()), &[], &[(1, 0.8)]),
        ];
        assert_eq!(
            measured(&trials, Some(1)),
            [(0, 0.7), (1, 0.5), (3, 0.6), (4, 0.8)]
        );
        assert_eq!(measured(&trials, None), [(1, 0.9)]);
    }
}
