//! Finds and prints errors and warnings about a plan before it runs.

use std::path::Path;

use engine::forecast::Machine;
use engine::forecast::preflight::{Findings, refusals};
use engine::graph::Graph;
use engine::spec::Diagnostic;
use petgraph::graph::NodeIndex;

use super::resources::ResourceArgs;
use crate::report::Console;

/// Finds the warnings about the pipeline, and the requests of `stages` that a run with `resources` can never
/// satisfy. Unlike [`check`](engine::forecast::preflight::check), needs no forecast.
pub(super) fn requests(
    graph: &Graph,
    stages: impl Iterator<Item = NodeIndex>,
    resources: &ResourceArgs,
) -> Findings {
    let machine = Machine::current(Path::new("."));
    let capacity = resources.capacity(graph, &machine);
    let errors = stages.flat_map(|node| {
        let errors = refusals(graph, node, &capacity, &machine).into_iter();
        errors.map(move |error| (Some(node), error))
    });
    Findings {
        errors: errors.collect(),
        warnings: graph.warnings.clone(),
    }
}

/// The text of a warning: the text of the diagnostic with `warning:` instead of `error:`.
pub(super) fn warning(diagnostic: &Diagnostic) -> String {
    diagnostic.to_string().replacen("error:", "warning:", 1)
}

/// Prints the warnings of a plan that is shown but not run, and the errors with which a run would be refused.
pub(super) fn print(console: &Console, findings: &Findings) {
    for diagnostic in &findings.warnings {
        console.message(&warning(diagnostic));
    }
    for error in findings.errors() {
        let error = error
            .to_string()
            .replacen("error:", "a run would be refused:", 1);
        console.message(&error);
    }
}
