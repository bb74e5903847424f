//! Finds the checkpoints from which the stages of a plan will resume.

use std::collections::BTreeMap;

use contract::Position;
use petgraph::graph::NodeIndex;

use crate::graph::Graph;
use crate::plan::{MissReason, Plan, PlannedAction, State, checkpoint_key, content_key};
use store::Store;
use store::keys::Digest;

/// Position from which a stage resumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumePoint {
    /// Work that is done already.
    pub position: Position,
    /// Number of epochs of the whole stage, if it has epochs.
    pub epochs: Option<u64>,
}

impl ResumePoint {
    /// Returns the share of the stage's work that is left, from 0 to 1.
    pub fn share_left(&self) -> f64 {
        match self.epochs {
            Some(epochs) if epochs > 0 => {
                (1.0 - self.position.epoch as f64 / epochs as f64).clamp(0.0, 1.0)
            }
            _ => 1.0,
        }
    }
}

/// Returns the furthest checkpoint of each stage of the plan that will run, as far as it can be known: a stage's
/// checkpoints are found by the content of its inputs, which is unknown while a stage upstream has to run.
pub fn resume_points(
    graph: &Graph,
    plan: &Plan,
    store: &Store,
) -> BTreeMap<NodeIndex, ResumePoint> {
    let points = plan.misses().filter_map(|action| {
        let point = resume_point(graph, plan, store, action)?;
        Some((action.node, point))
    });
    points.collect()
}

fn resume_point(
    graph: &Graph,
    plan: &Plan,
    store: &Store,
    action: &PlannedAction,
) -> Option<ResumePoint> {
    let resumable = graph.stages[action.node].stage.resumable()?;
    if matches!(action.state, State::Runs(MissReason::Forced)) {
        return None;
    }
    let mut inputs: BTreeMap<String, Vec<Digest>> = BTreeMap::new();
    for (producer, link) in graph.inputs(action.node) {
        let State::Cached(record) = &plan.get(producer)?.state else {
            return None;
        };
        let tree = *record.outputs.get(&link.port)?;
        inputs.entry(link.role.clone()).or_default().push(tree);
    }
    let (_, content) = content_key(graph, action, &inputs);
    let epochs = action.fingerprint.params.get("epochs");
    let epochs = epochs.and_then(serde_json::Value::as_u64);
    let is_within = |position: &Position| {
        let last = epochs.map(|epochs| Position::after(epochs as usize));
        last.is_none_or(|last| *position <= last)
    };
    let positions = store.checkpoint_positions(&checkpoint_key(&content, &resumable));
    let position = positions.into_iter().find(is_within)?;
    Some(ResumePoint { position, epochs })
}
