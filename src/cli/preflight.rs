//! Finds errors and warnings about a plan before it runs.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use engine::forecast::preflight::{Findings, preflight, refusals};
use engine::forecast::{Forecast, Machine};
use engine::graph::Graph;
use engine::plan::{Plan, PlannedAction};
use engine::scheduler::Room;
use engine::spec::Diagnostic;
use petgraph::graph::NodeIndex;

use super::room::RoomArgs;
use crate::report::Console;

/// Finds what would make a stage fail that is to run: its sources, its resources, the disk.
pub fn look(
    graph: &Graph,
    plan: &Plan,
    forecast: &Forecast,
    room: &Room,
    machine: &Machine,
) -> Findings {
    let mut findings = preflight(graph, forecast, room, machine);
    let mut classes = HashMap::new();
    for action in plan.misses() {
        match graph.stages[action.node].stage.preflight() {
            Ok(found) => classes.extend(found.map(|found| (action.node, found))),
            Err(invalid) => {
                let error = graph.diagnose(action.node, &invalid);
                findings.errors.push((Some(action.node), error));
            }
        }
    }
    for node in sources_of_models(graph, plan) {
        // Its errors do not matter: a cached stage does not read its source again.
        if let Ok(Some(found)) = graph.stages[node].stage.preflight() {
            classes.insert(node, found);
        }
    }
    for (node, error) in graph.misfits(&classes) {
        if plan.get(node).is_some_and(PlannedAction::is_miss) {
            findings.errors.push((Some(node), error));
        }
    }
    findings
}

/// The cached stages without inputs that feed stages with a model to train.
fn sources_of_models(graph: &Graph, plan: &Plan) -> Vec<NodeIndex> {
    let trains = |action: &&PlannedAction| {
        let kind = graph.stages[action.node].kind;
        !kind.model_params.is_empty()
    };
    let mut open: Vec<NodeIndex> = plan.misses().filter(trains).map(|a| a.node).collect();
    let (mut seen, mut sources) = (HashSet::new(), Vec::new());
    while let Some(node) = open.pop() {
        if !seen.insert(node) {
            continue;
        }
        let inputs = graph.inputs(node);
        let is_cached = plan.get(node).is_some_and(|action| !action.is_miss());
        if inputs.is_empty() && is_cached {
            sources.push(node);
        }
        open.extend(inputs.into_iter().map(|(producer, _)| producer));
    }
    sources
}

/// Finds only warnings about the pipeline, and resources that `stages` request and that a run with `room`
/// can never provide.
pub fn requests(
    graph: &Graph,
    stages: impl Iterator<Item = NodeIndex>,
    room: &RoomArgs,
) -> Findings {
    let machine = Machine::look(Path::new("."));
    let room = room.room(graph, &machine);
    let errors = stages.flat_map(|node| {
        let errors = refusals(graph, node, &room, &machine).into_iter();
        errors.map(move |error| (Some(node), error))
    });
    Findings {
        errors: errors.collect(),
        doubts: graph.doubts.clone(),
    }
}

/// The text of a warning: that of an error, with the word `warning`.
pub fn warning(doubt: &Diagnostic) -> String {
    doubt.to_string().replacen("error:", "warning:", 1)
}

/// Prints the warnings and errors of a plan that is shown but not run.
pub fn say(console: &Console, findings: &Findings) {
    for doubt in &findings.doubts {
        console.say(&warning(doubt));
    }
    for error in findings.errors() {
        console.say(&format!("a run would be refused: {error}"));
    }
}
