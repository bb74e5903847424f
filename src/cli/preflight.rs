//! Looks for errors and warnings of a plan before it runs.

use std::collections::HashMap;

use crate::forecast::preflight::{Findings, preflight};
use crate::forecast::{Forecast, Machine};
use crate::graph::Graph;
use crate::plan::{Plan, State};
use crate::report::Console;
use crate::scheduler::Room;
use crate::spec::Diagnostic;
use crate::store::Store;

/// Looks for what would make a stage that is to run fail: its sources, its GPUs, its memory, the disk.
pub fn look(
    graph: &Graph,
    plan: &Plan,
    store: &Store,
    forecast: &Forecast,
    room: &Room,
) -> Findings {
    let machine = Machine::look(store.root());
    let mut findings = preflight(graph, forecast, room, &machine);
    let misses = plan
        .actions
        .iter()
        .filter(|action| !matches!(action.state, State::Cached(_)));
    let mut classes = HashMap::new();
    for action in misses {
        match graph.stages[action.node].stage.preflight() {
            Ok(found) => classes.extend(found.map(|found| (action.node, found))),
            Err(invalid) => {
                let error = graph.diagnose(action.node, &invalid);
                findings.errors.push((Some(action.node), error));
            }
        }
    }
    let misfits = graph.misfits(&classes).into_iter();
    findings
        .errors
        .extend(misfits.map(|(node, error)| (Some(node), error)));
    findings
}

/// A doubt as it is told: an error's words, called a warning.
pub fn warning(doubt: &Diagnostic) -> String {
    doubt.to_string().replacen("error:", "warning:", 1)
}

/// Prints warnings.
pub fn warn(console: &Console, doubts: &[Diagnostic]) {
    for doubt in doubts {
        console.say(&warning(doubt));
    }
}

/// Prints what speaks against a plan that is only looked at.
pub fn say(console: &Console, findings: &Findings) {
    warn(console, &findings.doubts);
    for error in findings.errors() {
        console.say(&format!("a run would be refused: {error}"));
    }
}
