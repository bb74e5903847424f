//! Judges the trials of a round, and passes the results to the sampler and the race.

use contract::Direction;
use petgraph::graph::NodeIndex;

use super::metric::MetricAt;
use super::results::{Missing, Results};
use super::rungs::Rungs;
use super::sampler::Told;
use super::trial::TrialState;
use super::trials::{Entry, Trials};
use crate::event::Judgement;
use crate::graph::Graph;

impl Trials {
    /// Records the result of a trial in a round. Returns `None` if it is not known because a stage was not
    /// run.
    pub fn judge(
        &mut self,
        graph: &Graph,
        entry: &Entry,
        results: &impl Results,
    ) -> Option<Judgement> {
        let measured = self.measure(graph, entry, results);
        let trial = &mut self.trials[entry.trial];
        match measured {
            Ok(Measured::Finished {
                objective,
                told,
                rung,
            }) => {
                trial.state = TrialState::Finished;
                trial.objective = objective;
                trial.epochs = self.sweep.rungs.as_ref().map(Rungs::last);
                if let Some(value) = told {
                    self.sampler.tell(entry.trial, Told::Value(value));
                }
                if let Some((race, (epochs, value))) = self.race.as_mut().zip(rung) {
                    trial.rungs.push((epochs, value));
                    let direction = self.sweep.rungs.as_ref().and_then(|rungs| rungs.direction);
                    race.arrive(entry.trial, Some(larger_is_better(value, direction)));
                }
                let objective = trial.mean();
                Some(Judgement::Finished { objective })
            }
            Ok(Measured::Reached {
                epochs,
                value,
                told,
            }) => {
                // The trial is stopped unless it is promoted later.
                trial.state = TrialState::Stopped;
                trial.rungs.push((epochs, value));
                trial.epochs = Some(epochs);
                self.arrive(entry.trial, Some(told));
                let told = Told::Pruned {
                    value: told,
                    epochs,
                };
                self.sampler.tell(entry.trial, told);
                Some(Judgement::Reached { epochs, value })
            }
            Err(Missing::Failed(error)) => {
                trial.state = TrialState::Failed(error.clone());
                self.sampler.tell(entry.trial, Told::Failed);
                self.arrive(entry.trial, None);
                Some(Judgement::Failed { error })
            }
            Err(Missing::NotRun) => {
                trial.state = TrialState::Open;
                None
            }
        }
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
        let values = |at: &MetricAt, direction: &mut Option<Direction>| {
            let mut values = Vec::new();
            for copy in &copies {
                let node = at.node(graph, copy);
                let node = node.ok_or_else(|| Missing::Failed(format!("there is no `{at}`")))?;
                let metric = results.metric(graph, node, at)?;
                if !metric.value.is_finite() {
                    return Err(Missing::Failed(format!("`{at}` is {}", metric.value)));
                }
                direction.get_or_insert(metric.direction);
                values.push(metric.value);
            }
            Ok(values)
        };
        let mut rung = None;
        if let Some(rungs) = &mut self.sweep.rungs {
            let value = mean(&values(&rungs.metric, &mut rungs.direction)?);
            if let Some(epochs) = entry.rung {
                return Ok(Measured::Reached {
                    epochs,
                    value,
                    told: larger_is_better(value, rungs.direction),
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
                told: None,
                rung,
            });
        };
        let values = values(&objective.metric, &mut objective.direction)?;
        let told = larger_is_better(mean(&values), objective.direction);
        Ok(Measured::Finished {
            objective: values,
            told: Some(told),
            rung,
        })
    }
}

/// Result of a trial in a round. Of the values in `told`, larger is better.
enum Measured {
    Finished {
        objective: Vec<f64>,
        told: Option<f64>,
        /// With successive halving: the epochs of the last rung, and the metric there.
        rung: Option<(u64, f64)>,
    },
    Reached {
        epochs: u64,
        value: f64,
        told: f64,
    },
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

pub(super) fn larger_is_better(value: f64, direction: Option<Direction>) -> f64 {
    match direction {
        Some(Direction::Minimize) => -value,
        _ => value,
    }
}
