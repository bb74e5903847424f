//! Keeps the views of the newest outputs in `latest` up to date.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::state::Outputs;
use crate::graph::Graph;
use crate::plan::PlannedAction;
use store::{Store, Tree};

/// Remembers the fingerprint of the stage and shows its outputs in `latest`. Errors are only logged,
/// because the results do not depend on either.
pub fn update_view(graph: &Graph, store: &Store, action: &PlannedAction, outputs: &Outputs) {
    let pipeline = &graph.pipeline;
    let name = graph.stages[action.node].name.to_string();
    let results = store.results();
    let is_missing = |output| matches!(store.is_here(output), Ok(false));
    if store.remote().is_some() && outputs.values().any(is_missing) {
        // `latest` shows local files only: an output is copied from the shared cache when a stage or a table reads it.
        let noted = store.set_last_fingerprint(pipeline, &name, &action.fingerprint);
        let noted = noted.and_then(|()| store.withdraw_latest(pipeline, &name, outputs));
        if let Err(error) = noted {
            tracing::warn!("`latest` was not updated for `{name}`: {error}");
        }
        return;
    }
    let trees: Result<BTreeMap<String, Arc<Tree>>, store::Error> = outputs
        .iter()
        .map(|(port, digest)| Ok((port.clone(), results.get(digest)?)))
        .collect();
    let updated = trees.and_then(|trees| {
        let key = &action.action_key;
        if store.is_shown(pipeline, &name, key, &trees) && store.has_last(pipeline, &name) {
            return Ok(());
        }
        // Write this first: readers treat published outputs as proof that it exists.
        store.set_last_fingerprint(pipeline, &name, &action.fingerprint)?;
        store.publish_latest(pipeline, &name, key, &trees)
    });
    if let Err(error) = updated {
        tracing::warn!("`latest` was not updated for `{name}`: {error}");
    }
}
