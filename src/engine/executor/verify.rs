//! Verifies the cached artifacts that a run will read, before it starts.

use contract::ArtifactType;
use petgraph::graph::NodeIndex;

use crate::graph::Graph;
use crate::plan::{Plan, State};
use store::Store;
use store::keys::Digest;

/// Verifies the cached artifacts that the misses of `plan`, tables and expectations read. Returns whether one
/// is damaged or missing. Damaged ones are set aside, so that in a new plan the stages that made them are misses.
pub fn damaged_artifacts(graph: &Graph, plan: &Plan, store: &Store) -> Result<bool, store::Error> {
    let results = store.results();
    let mut ports = read(graph, plan);
    if store.remote().is_some() {
        // The run records the metrics of all stages.
        ports.extend(metrics(graph, plan));
    }
    let output = |(producer, port): &(NodeIndex, &str)| match &plan.get(*producer)?.state {
        State::Cached(record) => Some(*record.outputs.get(*port)?),
        State::Runs(_) | State::Waits(_) => None,
    };
    let outputs: Vec<Digest> = ports.iter().filter_map(output).collect();
    results.fetch(&outputs)?;
    let mut damaged = false;
    for place in ports {
        let Some(digest) = output(&place) else {
            continue;
        };
        let (producer, port) = place;
        match results.get(&digest).and_then(|tree| results.verify(&tree)) {
            Ok(()) => {}
            Err(error @ (store::Error::Tree { .. } | store::Error::Blob { .. })) => {
                let name = &graph.stages[producer].name;
                match error {
                    // The shared cache has reported why it was not copied.
                    store::Error::Tree { damaged: false, .. } if store.remote().is_some() => {
                        tracing::debug!("{name}.{port}: {error}");
                    }
                    _ => tracing::warn!("{name}.{port}: {error}"),
                }
                damaged = true;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(damaged)
}

/// Returns the outputs of cached stages that have metrics.
fn metrics<'a>(graph: &'a Graph, plan: &'a Plan) -> impl Iterator<Item = (NodeIndex, &'a str)> {
    let stages = plan.actions.iter().map(|action| action.node);
    stages.flat_map(|node| {
        let ports = graph.stages[node].outputs.iter();
        let metrics = ports.filter(|port| port.yields == ArtifactType::Metrics);
        metrics.map(move |port| (node, port.name.as_str()))
    })
}

/// Returns the outputs that a run of `plan` reads, as stage instances and ports.
fn read<'a>(graph: &'a Graph, plan: &Plan) -> Vec<(NodeIndex, &'a str)> {
    let misses = plan.actions.iter();
    let misses = misses.filter(|action| !matches!(action.state, State::Cached(_)));
    let inputs = misses.flat_map(|miss| graph.inputs(miss.node));
    let mut read: Vec<_> = inputs
        .map(|(producer, link)| (producer, link.port.as_str()))
        .collect();
    for column in graph.tables.iter().flat_map(|table| &table.columns) {
        for node in graph.find(&column.metric.stage) {
            let port = graph.stages[node].metrics_port();
            read.extend(port.map(|port| (node, port)));
        }
    }
    for expectation in &graph.expectations {
        for node in expectation.instances(graph) {
            let port = expectation.metric.port.as_deref();
            let port = port.or(graph.stages[node].metrics_port());
            read.extend(port.map(|port| (node, port)));
        }
    }
    read
}
