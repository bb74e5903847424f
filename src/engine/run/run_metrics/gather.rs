//! Collects the metrics of a run from its outcomes.

use std::collections::{BTreeMap, HashMap, HashSet};

use contract::ArtifactType;
use petgraph::graph::NodeIndex;
use rayon::prelude::*;
use serde_json::Value;

use super::headline::headline;
use super::units::units;
use super::{InstanceMetrics, PortMetrics, RunMetrics, TrialMetrics, pooled};
use crate::executor::Outputs;
use crate::graph::{Graph, Instance, InstanceName};
use crate::run::metrics;
use crate::sweep::{Experiment, TrialState};
use store::Store;

/// Collects the metrics of all instances of an experiment that have outputs.
pub fn gather(
    experiment: &Experiment,
    store: &Store,
    outputs: &HashMap<NodeIndex, Outputs>,
) -> RunMetrics {
    let graph = experiment.graph();
    let nodes = graph.order.iter().copied();
    let nodes: Vec<NodeIndex> = nodes.filter(|node| outputs.contains_key(node)).collect();
    let instances = nodes.par_iter().with_min_len(16);
    let instances = instances.map(|&node| of_instance(&graph.stages[node], store, &outputs[&node]));
    let places: HashMap<NodeIndex, usize> = nodes.iter().copied().zip(0..).collect();
    RunMetrics {
        instances: instances.collect(),
        shown: indices(graph, &experiment.shown(), &places),
        trials: trials(experiment, &places),
    }
}

/// Metrics that are summarized after a run.
pub struct Headlines {
    pub instances: Vec<InstanceMetrics>,
    /// Number of instances with metrics that were not read; seeds do not count.
    pub unread: usize,
}

/// Reads the metrics of the instances that stand for the run: at most `most` of each stage, with all their seeds.
pub fn headlines(
    experiment: &Experiment,
    store: &Store,
    outputs: &HashMap<NodeIndex, Outputs>,
    most: usize,
) -> Headlines {
    let graph = experiment.graph();
    let mut seen = HashSet::new();
    let mut known: HashMap<&str, HashSet<InstanceName>> = HashMap::new();
    let mut skipped: HashSet<InstanceName> = HashSet::new();
    let copies = experiment.shown().into_iter();
    let nodes = copies.flat_map(|copy| graph.copies[copy].nodes.iter().copied());
    let nodes: Vec<NodeIndex> = nodes
        .filter(|node| {
            let instance = &graph.stages[*node];
            if instance.metrics_port().is_none() || !outputs.contains_key(node) {
                return false;
            }
            let name = instance.name.in_copy();
            let of_stage = known.entry(&instance.name.stage).or_default();
            let is_shown = of_stage.contains(&name) || of_stage.len() < most;
            match is_shown {
                true => drop(of_stage.insert(name)),
                false => drop(skipped.insert(name)),
            }
            is_shown && seen.insert(*node)
        })
        .collect();
    let nodes = nodes.par_iter().with_min_len(16);
    let instances = nodes.map(|node| of_instance(&graph.stages[*node], store, &outputs[node]));
    Headlines {
        instances: instances.collect(),
        unread: skipped.len(),
    }
}

/// Reads the headline metrics of some copies of the pipeline: their names and the means over the copies. Metrics of
/// trainings are left out.
pub fn headline_means(
    experiment: &Experiment,
    store: &Store,
    outputs: &HashMap<NodeIndex, Outputs>,
    copies: &[usize],
) -> Vec<(String, f64)> {
    let graph = experiment.graph();
    let mut seen = HashSet::new();
    let nodes = copies.iter().flat_map(|&copy| &graph.copies[copy].nodes);
    let nodes = nodes.filter(|&&node| seen.insert(node));
    let instances: Vec<InstanceMetrics> = nodes
        .filter_map(|node| Some(of_instance(&graph.stages[*node], store, outputs.get(node)?)))
        .collect();
    let instances: Vec<&InstanceMetrics> = instances.iter().collect();
    let all = pooled(&instances);
    let headline = all
        .iter()
        .filter(|one| one.headline.is_some() && !one.is_secondary);
    headline
        .filter_map(|one| Some((one.full_name(), one.mean()?)))
        .collect()
}

fn of_instance(instance: &Instance, store: &Store, outputs: &Outputs) -> InstanceMetrics {
    let ports = instance.outputs.iter();
    let ports = ports.filter(|port| port.yields == ArtifactType::Metrics);
    let ports = ports.filter_map(|port| {
        let digest = outputs.get(&port.name)?;
        let read = metrics::read(store, digest);
        let read = read.inspect_err(|error| tracing::warn!("{}: {error}", instance.name));
        let measured = read.ok()??;
        let declared = instance.metrics(&port.name);
        let (headline, is_secondary) =
            headline(instance.kind.declares_ports, declared.as_deref(), &measured);
        Some(PortMetrics {
            port: port.name.clone(),
            headline,
            is_secondary,
            units: units(declared.as_deref(), &measured),
            tested: metrics::tested_images(store, digest),
            metrics: measured,
        })
    });
    InstanceMetrics {
        name: instance.name.to_string(),
        in_copy: instance.name.in_copy().to_string(),
        stage: instance.name.stage.clone(),
        params: scalars(&instance.stage.canonical()),
        ports: ports.collect(),
    }
}

fn indices(graph: &Graph, copies: &[usize], places: &HashMap<NodeIndex, usize>) -> Vec<usize> {
    let mut seen = HashSet::new();
    let nodes = copies.iter().flat_map(|&copy| &graph.copies[copy].nodes);
    nodes
        .filter_map(|node| places.get(node).copied())
        .filter(|&index| seen.insert(index))
        .collect()
}

fn trials(experiment: &Experiment, places: &HashMap<NodeIndex, usize>) -> Vec<TrialMetrics> {
    let trial = |trial: &crate::sweep::Trial| TrialMetrics {
        number: trial.number,
        values: trial
            .values
            .iter()
            .map(|value| (value.label.clone(), value.text.clone()))
            .collect(),
        state: match &trial.state {
            TrialState::Open => "not finished",
            TrialState::Finished => "finished",
            TrialState::Stopped => "stopped early",
            TrialState::Failed(_) => "failed",
            TrialState::Undefined(_) => "without objective",
        }
        .to_owned(),
        instances: indices(experiment.graph(), &trial.copies, places),
    };
    experiment.trials().iter().map(trial).collect()
}

/// The numbers, booleans and texts among parameters, by dotted path. Lists are left out: a list of layers is not a
/// value that runs are compared by.
pub(super) fn scalars(params: &Value) -> BTreeMap<String, Value> {
    /// Maximum length of a text in bytes. Longer ones, such as programs, are left out.
    const LONGEST: usize = 100;
    fn add(path: &str, value: &Value, to: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let path = match path {
                        "" => key.clone(),
                        _ => format!("{path}.{key}"),
                    };
                    add(&path, value, to);
                }
            }
            Value::String(text) if text.len() > LONGEST => {}
            Value::Null | Value::Array(_) => {}
            Value::String(_) | Value::Number(_) | Value::Bool(_) => {
                to.insert(path.to_owned(), value.clone());
            }
        }
    }
    let mut found = BTreeMap::new();
    add("", params, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::scalars;

    #[test]
    fn lists_nulls_and_long_texts_are_no_columns() {
        let params = json!({
            "rate": 0.1,
            "source": { "phantom": { "images": 4 }, "name": null },
            "model": [{ "dense": 1 }],
            "code": "x".repeat(101),
            "balanced": true,
        });
        let found: Vec<String> = scalars(&params).into_keys().collect();
        assert_eq!(found, ["balanced", "rate", "source.phantom.images"]);
    }
}
