use crate::error::Error;
use crate::forecast::preflight::{Findings, preflight};
use crate::forecast::{Forecast, Machine};
use crate::graph::Graph;
use crate::plan::{Plan, State};
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
    for action in misses {
        if let Err(invalid) = graph.stages[action.node].stage.preflight() {
            findings.errors.push(graph.diagnose(action.node, &invalid));
        }
    }
    Diagnostic::sort(&mut findings.errors);
    findings
}

/// A doubt as it is told: an error's words, called a warning.
pub fn warning(doubt: &Diagnostic) -> String {
    doubt.to_string().replacen("error:", "warning:", 1)
}

/// # Errors
/// What surely fails.
pub fn verdict(findings: Findings) -> Result<(), Error> {
    if findings.errors.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(findings.errors))
    }
}
