//! Decides whether a stage is cached, runs or waits.

use std::collections::BTreeMap;

use petgraph::graph::NodeIndex;

use super::{Change, Error, MissReason, Plan, State, key};
use crate::graph::Graph;
use store::keys::Fingerprint;
use store::keys::{Digest, Key};
use store::{Lookup, Store};

/// Facts from which the state of a stage is decided.
pub(super) struct Known<'a> {
    pub node: NodeIndex,
    pub action_key: &'a Key,
    pub fingerprint: &'a Fingerprint,
    /// Result of looking up the action key in the store.
    pub lookup: Lookup,
    /// The content key, if it is known already.
    pub content_key: Option<Key>,
    /// `true` if a stage upstream is forced to run.
    pub is_downstream_of_forced: bool,
}

/// Decides the state of a stage. Its producers must be in `plan` already.
pub(super) fn find(
    graph: &Graph,
    store: &Store,
    plan: &Plan,
    known: Known<'_>,
) -> Result<State, Error> {
    let Known {
        node,
        action_key,
        fingerprint,
        lookup,
        content_key,
        is_downstream_of_forced,
    } = known;
    let running = running_upstream(graph, plan, node);
    // If everything upstream is cached, the inputs are known, and so is the content key.
    let content_key = content_key.or_else(|| {
        let inputs = cached_inputs(graph, plan, node)?;
        Some(key::content_key_of(fingerprint, &inputs))
    });
    let mut has_other_inputs = false;
    if let Lookup::Hit(record) = &lookup {
        match running {
            // The forced stage may give another result.
            Some(_) if is_downstream_of_forced => {}
            Some(_) => return Ok(State::Cached(record.clone())),
            // After the record was written, the inputs may have been made again with other content: some programs
            // are not deterministic.
            None if content_key.is_none_or(|key| key == record.content_key) => {
                return Ok(State::Cached(record.clone()));
            }
            None => has_other_inputs = true,
        }
    }
    if let Some(running) = running {
        return Ok(State::Waits(running));
    }
    // An earlier run may have executed the stages upstream again with the same result, and ended before it
    // reached this stage.
    let results = store.results();
    if let Some(key) = content_key
        && let Some(Lookup::Hit(record)) = results.look_up(&[key])?.pop()
    {
        let record = results
            .put_under(&record, *action_key, fingerprint)
            .unwrap_or_else(|error| {
                // The plan works without the second record: the next plan finds the record in the same way.
                tracing::debug!(%error, "failed to store a record under a second key");
                record.under(*action_key, fingerprint)
            });
        return Ok(State::Cached(Box::new(record)));
    }
    if has_other_inputs && let Some(role) = fingerprint.inputs.keys().next() {
        let first = Change::Input { role: role.clone() };
        return Ok(State::Runs(MissReason::Changed { first, more: 0 }));
    }
    let instance = &graph.stages[node];
    let last = store.last_fingerprint(&graph.pipeline, &instance.name.to_string());
    let sources = instance.stage.sources();
    let reason = MissReason::of(store, &lookup, last.as_ref(), fingerprint, &sources);
    Ok(State::Runs(reason))
}

/// Returns the trees of a stage's inputs, by role. `None` unless all producers are cached.
pub(super) fn cached_inputs(
    graph: &Graph,
    plan: &Plan,
    node: NodeIndex,
) -> Option<BTreeMap<String, Vec<Digest>>> {
    let mut inputs: BTreeMap<String, Vec<Digest>> = BTreeMap::new();
    for (producer, link) in graph.inputs(node) {
        let State::Cached(record) = &plan.action(producer).state else {
            return None;
        };
        let &tree = record.outputs.get(&link.port)?;
        inputs.entry(link.role.clone()).or_default().push(tree);
    }
    Some(inputs)
}

/// Returns the nearest stage upstream that runs: the producer of an input, or the stage
/// that a producer waits on.
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
