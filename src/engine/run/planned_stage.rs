//! [`PlannedStage`]: a stage in the recorded plan of a run.

use serde::{Deserialize, Serialize};

use crate::graph::Graph;
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
}

impl PlannedStage {
    /// All stages of a plan.
    pub fn of(graph: &Graph, plan: &Plan) -> Vec<Self> {
        let stages = plan.actions.iter().map(|action| {
            let name = &graph.stages[action.node].name;
            Self {
                name: name.to_string(),
                stage: name.stage.clone(),
                key: action.action_key,
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
        })
    }
}
