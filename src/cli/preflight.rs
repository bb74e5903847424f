//! Finds errors and warnings about a plan before it runs.

use std::path::Path;

use engine::forecast::Machine;
use engine::forecast::preflight::{Findings, refusals};
use engine::graph::Graph;
use engine::spec::Diagnostic;
use petgraph::graph::NodeIndex;

use super::room::RoomArgs;
use crate::report::Console;

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
