//! Whether a stage is cached, runs, or waits.

use std::collections::BTreeMap;

use petgraph::graph::NodeIndex;

use super::{Error, Fingerprint, MissReason, Plan, State, key};
use crate::graph::Graph;
use crate::store::{ActionRecord, Digest, Key, Lookup, Store};

/// What becomes of a stage whose producers are in `plan` already; `lookup` is what the store has under
/// its action key.
pub(super) fn find(
    graph: &Graph,
    store: &Store,
    plan: &Plan,
    node: NodeIndex,
    action_key: &Key,
    fingerprint: &Fingerprint,
    lookup: Lookup,
) -> Result<State, Error> {
    if let Lookup::Hit(record) = lookup {
        return Ok(State::Cached(record));
    }
    if let Some(running) = running_upstream(graph, plan, node) {
        return Ok(State::Waits(running));
    }
    if let Some(record) = hit_by_content(graph, store, plan, node, fingerprint)? {
        let record = store
            .alias(&record, *action_key, fingerprint)
            .unwrap_or_else(|error| {
                // A plan is as good without: the next one finds it in the same way.
                tracing::debug!(%error, "a record's second name was not kept");
                record.under(*action_key, fingerprint)
            });
        return Ok(State::Cached(Box::new(record)));
    }
    let instance = &graph.stages[node];
    let last = store.last_fingerprint(&graph.pipeline, &instance.name.to_string());
    let sources = instance.stage.sources();
    let reason = MissReason::of(store, &lookup, last.as_ref(), fingerprint, &sources);
    Ok(State::Runs(reason))
}

/// The nearest stage upstream that runs: an input's producer, or what that one waits on.
fn running_upstream(graph: &Graph, plan: &Plan, node: NodeIndex) -> Option<NodeIndex> {
    let inputs = graph.inputs(node);
    let producers = || inputs.iter().map(|&(producer, _)| plan.action(producer));
    let running = producers().find(|action| matches!(action.state, State::Runs(_)));
    running.map(|action| action.node).or_else(|| {
        producers().find_map(|action| match action.state {
            State::Waits(running) => Some(running),
            _ => None,
        })
    })
}

/// Where everything upstream is cached the inputs are known, and so is the content key: upstream
/// may have been redone, with the same outcome, by a run that did not come this far.
fn hit_by_content(
    graph: &Graph,
    store: &Store,
    plan: &Plan,
    node: NodeIndex,
    fingerprint: &Fingerprint,
) -> Result<Option<ActionRecord>, Error> {
    let mut inputs: BTreeMap<String, Vec<Digest>> = BTreeMap::new();
    for (producer, link) in graph.inputs(node) {
        let State::Cached(record) = &plan.action(producer).state else {
            return Ok(None);
        };
        let Some(&tree) = record.outputs.get(&link.port) else {
            return Ok(None);
        };
        inputs.entry(link.role.clone()).or_default().push(tree);
    }
    let (content_key, _) = key::with_contents(fingerprint, &inputs);
    match store.examine(&content_key)? {
        Lookup::Hit(record) => Ok(Some(*record)),
        _ => Ok(None),
    }
}
