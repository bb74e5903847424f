//! [`PlannedStage`]: a stage in the recorded plan of a run.

use std::collections::HashSet;

use petgraph::Direction::Incoming;
use petgraph::graph::{EdgeReference, NodeIndex};
use petgraph::visit::EdgeRef;
use serde::{Deserialize, Serialize};

use crate::graph::{Graph, Link};
use crate::plan::Plan;
use store::keys::Key;

/// A stage of a run, with the key of its action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStage {
    /// The instance: `cnn[model1]`.
    pub name: String,
    /// The stage: `cnn`.
    pub stage: String,
    pub key: Key,
    /// Name of its kind; empty in records from before kinds were recorded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Its values on the axes of its matrix, and then on those that tell apart copies of the pipeline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub axes: Vec<(String, String)>,
    /// The artifacts that it reads, in the order of its roles. Pages draw the graph from them, also for stages that
    /// never ran and so have no action record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<PlannedInput>,
}

/// An artifact that a stage of a run reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlannedInput {
    pub role: String,
    /// The instance that makes it.
    pub from: String,
    pub port: String,
}

impl PlannedStage {
    /// All stages of a plan.
    pub fn of(graph: &Graph, plan: &Plan) -> Vec<Self> {
        let stages = plan.actions.iter().map(|action| {
            let instance = &graph.stages[action.node];
            let name = &instance.name;
            Self {
                name: name.to_string(),
                stage: name.stage.clone(),
                key: action.action_key,
                kind: instance.kind.name.to_owned(),
                axes: name.axes.iter().chain(&name.copy).cloned().collect(),
                inputs: inputs(graph, action.node),
            }
        });
        stages.collect()
    }

    /// A stage from a report, by its name and its key in hex. `None` if the key is invalid.
    pub fn reported(name: &str, key: &str) -> Option<Self> {
        Some(Self {
            name: name.to_owned(),
            stage: name.split('[').next()?.to_owned(),
            key: key.parse().ok()?,
            kind: String::new(),
            axes: Vec::new(),
            inputs: Vec::new(),
        })
    }
}

/// The artifacts that an instance reads, without duplicates.
fn inputs(graph: &Graph, node: NodeIndex) -> Vec<PlannedInput> {
    let mut links: Vec<_> = graph.stages.edges_directed(node, Incoming).collect();
    links.sort_by_key(|link| (&link.weight().role, link.weight().position));
    let mut seen = HashSet::new();
    links.retain(|link| seen.insert((&link.weight().role, link.source(), &link.weight().port)));
    let input = |link: EdgeReference<'_, Link>| PlannedInput {
        role: link.weight().role.clone(),
        from: graph.stages[link.source()].name.to_string(),
        port: link.weight().port.clone(),
    };
    links.into_iter().map(input).collect()
}
