//! Computes the results of the trials of a round, and passes them to the sampler and the race.

use contract::{Direction, MetricInfo};
use petgraph::graph::NodeIndex;

use super::metric::MetricAt;
use super::results::{Missing, Results};
use super::rungs::Rungs;
use super::sampler::Observation;
use super::trial::{TrialState, larger_is_better};
use super::trials::{Entry, Trials};
use crate::event::TrialResult;
use crate::graph::{Graph, Instance};

impl Trials {
    /// Records the result of a trial in a round. Returns `None` if it is not known because a stage was not
    /// run.
    pub(super) fn record_result(
        &mut self,
        graph: &Graph,
        entry: &Entry,
        results: &impl Results,
    ) -> Option<TrialResult> {
        let measured = self.measure(graph, entry, results);
        let trial = &mut self.trials[entry.trial];
        match measured {
            Ok(Measured::Finished {
                objective,
                score,
                rung,
            }) => {
                trial.state = TrialState::Finished;
                trial.objective = objective;
                trial.epochs = self.sweep.rungs.as_ref().map(Rungs::last);
                if let Some(score) = score {
                    self.sampler.observe(entry.trial, Observation::Value(score));
                }
                if let Some((race, (epochs, value))) = self.race.as_mut().zip(rung) {
                    trial.rungs.push((epochs, value));
                    let direction = self.sweep.rungs.as_ref().and_then(|rungs| rungs.direction);
                    race.arrive(entry.trial, Some(larger_is_better(value, direction)));
                }
                let objective = trial.mean();
                Some(TrialResult::Finished { objective })
            }
            Ok(Measured::Reached {
                epochs,
                value,
                score,
            }) => {
                // The trial is stopped unless it is promoted later.
                trial.state = TrialState::Stopped;
                trial.rungs.push((epochs, value));
                trial.epochs = Some(epochs);
                self.arrive(entry.trial, Some(score));
                let observation = Observation::Pruned {
                    value: score,
                    epochs,
                };
                self.sampler.observe(entry.trial, observation);
                Some(TrialResult::Reached { epochs, value })
            }
            Err(Missing::Failed(error)) => {
                trial.state = TrialState::Failed(error.clone());
                Some(self.without_value(entry, error))
            }
            Err(Missing::Undefined(error)) => {
                trial.state = TrialState::Undefined(error.clone());
                Some(self.without_value(entry, error))
            }
            Err(Missing::NotRun) => {
                trial.state = TrialState::Open;
                None
            }
        }
    }

    /// Passes a trial without a value to the sampler and the race.
    fn without_value(&mut self, entry: &Entry, error: String) -> TrialResult {
        self.sampler.observe(entry.trial, Observation::Failed);
        self.arrive(entry.trial, None);
        TrialResult::Failed { error }
    }

    fn measure(
        &mut self,
        graph: &Graph,
        entry: &Entry,
        results: &impl Results,
    ) -> Result<Measured, Missing> {
        let copies: Vec<&[NodeIndex]> = entry
            .copies
            .iter()
            .map(|&copy| graph.copies[copy].nodes.as_slice())
            .collect();
        let values = |at: &MetricAt, found: &mut Option<Direction>, of: &mut Option<String>| {
            let mut values = Vec::new();
            for copy in &copies {
                let node = at.node(graph, copy);
                let node =
                    node.ok_or_else(|| Missing::Failed(format!("there is no metric `{at}`")))?;
                let metric = results.metric(graph, node, at)?;
                if !metric.value.is_finite() {
                    return Err(Missing::Undefined(why_undefined(&graph.stages[node], at)));
                }
                *found = found.or(metric.direction);
                of.clone_from(&metric.of);
                values.push(metric.value);
            }
            Ok(values)
        };
        let mut rung = None;
        if let Some(rungs) = &mut self.sweep.rungs {
            let value = mean(&values(&rungs.metric, &mut rungs.direction, &mut None)?);
            if let Some(epochs) = entry.rung {
                return Ok(Measured::Reached {
                    epochs,
                    value,
                    score: larger_is_better(value, rungs.direction),
                });
            }
            rung = Some((rungs.last(), value));
        }
        let Some(objective) = &mut self.sweep.objective else {
            for copy in &copies {
                results.all(graph, copy)?;
            }
            return Ok(Measured::Finished {
                objective: Vec::new(),
                score: None,
                rung,
            });
        };
        let values = values(
            &objective.metric,
            &mut objective.found_direction,
            &mut objective.of,
        )?;
        objective.direction = objective.direction.or(objective.found_direction);
        let score = larger_is_better(mean(&values), objective.direction);
        Ok(Measured::Finished {
            objective: values,
            score: Some(score),
            rung,
        })
    }
}

/// Says that a metric is undefined, and why, as far as its declaration says so.
fn why_undefined(instance: &Instance, at: &MetricAt) -> String {
    let declared = instance.metrics(&at.port).unwrap_or_default();
    let found = MetricInfo::find(&declared, &at.metric);
    let why = match found.and_then(|found| found.info.undefined_if) {
        Some(condition) => format!(" ({condition})"),
        None if instance.kind.declares_ports => " (the program wrote no finite number)".to_owned(),
        None => String::new(),
    };
    format!("`{at}` is undefined{why}")
}

/// Result of a trial in a round. Of the values in `score`, larger is better.
enum Measured {
    Finished {
        objective: Vec<f64>,
        score: Option<f64>,
        /// With successive halving: the epochs of the last rung, and the metric there.
        rung: Option<(u64, f64)>,
    },
    Reached {
        epochs: u64,
        value: f64,
        score: f64,
    },
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
