//! Looks for errors and warnings of a plan before it runs.

use std::path::Path;

use petgraph::graph::NodeIndex;

use super::room::RoomArgs;
use crate::forecast::preflight::{Findings, preflight, refusals};
use crate::forecast::{Forecast, Machine};
use crate::graph::Graph;
use crate::plan::Plan;
use crate::report::Console;
use crate::scheduler::Room;
use crate::spec::Diagnostic;

/// Looks for what would make a stage that is to run fail: its sources, its resources, the disk.
pub fn look(
    graph: &Graph,
    plan: &Plan,
    forecast: &Forecast,
    room: &Room,
    machine: &Machine,
) -> Findings {
    let mut findings = preflight(graph, forecast, room, machine);
    for action in plan.misses() {
        if let Err(invalid) = graph.stages[action.node].stage.preflight() {
            let error = graph.diagnose(action.node, &invalid);
            findings.errors.push((Some(action.node), error));
        }
    }
    findings
}

/// Looks only for resources that `stages` ask for and that this machine can never give them.
pub fn requests(graph: &Graph, stages: impl Iterator<Item = NodeIndex>) -> Findings {
    let machine = Machine::look(Path::new("."));
    let room = RoomArgs::default().room(graph, &machine);
    let errors = stages.flat_map(|node| {
        let errors = refusals(graph, node, &room, &machine).into_iter();
        errors.map(move |error| (Some(node), error))
    });
    Findings {
        errors: errors.collect(),
        doubts: Vec::new(),
    }
}

/// A doubt as it is told: an error's words, called a warning.
pub fn warning(doubt: &Diagnostic) -> String {
    doubt.to_string().replacen("error:", "warning:", 1)
}

/// Prints what speaks against a plan that is only looked at.
pub fn say(console: &Console, findings: &Findings) {
    for doubt in &findings.doubts {
        console.say(&warning(doubt));
    }
    for error in findings.errors() {
        console.say(&format!("a run would be refused: {error}"));
    }
}
