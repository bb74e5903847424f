use crate::graph::Graph;
use crate::plan::{Plan, State};
use crate::store::{self, Store};

/// Whether a cached artifact that a miss of `plan` will read turns out damaged. It is set aside
/// then, so that a new plan makes it again.
pub fn damaged_inputs(graph: &Graph, plan: &Plan, store: &Store) -> Result<bool, store::Error> {
    let mut damaged = false;
    for miss in plan
        .actions
        .iter()
        .filter(|action| !matches!(action.state, State::Cached(_)))
    {
        for (producer, link) in graph.inputs(miss.node) {
            let State::Cached(record) = &plan.action(producer).state else {
                continue;
            };
            let Some(digest) = record.outputs.get(&link.port) else {
                continue;
            };
            match store.tree(digest).and_then(|tree| store.verify(&tree)) {
                Ok(()) => {}
                Err(error @ (store::Error::Tree { .. } | store::Error::Blob { .. })) => {
                    tracing::warn!("{}.{}: {error}", graph.stages[producer].name, link.port);
                    damaged = true;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(damaged)
}
