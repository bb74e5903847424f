//! Uses results of other kinds of processors, if the store allows it ([`Matching::Any`]) or if this machine lacks the
//! GPU that the stages ask for.
//!
//! The kind of processor is part of a stage's keys, and so of the action keys of everything after it. For each other
//! kind, all keys are computed as if the whole pipeline ran there, and are looked up together. A stage then takes
//! the first result that fits the results which the plan has chosen for its inputs:
//!
//! | order | result |
//! | --- | --- |
//! | 1 | of this machine's kind of processor |
//! | 2 | of another kind that also computed everything before it; kinds in the order of their names |
//! | 3 | of another kind, from the same inputs by content |
//!
//! A stage keeps the keys of the result that it takes, so the keys of stages that run after it tell where their
//! inputs were computed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use petgraph::graph::NodeIndex;
use rayon::prelude::*;

use super::state::{self, Known, cached_inputs};
use super::{Error, MissReason, MustRunAgain, Plan, PlannedAction, State, action_key, key};
use crate::graph::Graph;
use store::keys::{Fingerprint, InputId, Key};
use store::{ActionRecord, Lookup, Matching, Store};

/// Name of the kind of processor of a stage whose GPU is missing on this machine.
pub(crate) const UNKNOWN_GPU: &str = "gpu";

/// Beginning of the names of GPUs.
const GPU: &str = "gpu";

/// Returns the plan with results of other kinds of processors where it has none.
pub(super) fn fill_in(graph: &Graph, store: &Store, plan: Plan) -> Result<Plan, Error> {
    let may_use = |action: &PlannedAction| match &action.fingerprint.processor {
        Some(own) => store.matching() == Matching::Any || own == UNKNOWN_GPU,
        None => false,
    };
    let is_forced =
        |action: &PlannedAction| matches!(action.state, State::Runs(MissReason::Forced));
    let may_find =
        |action: &&PlannedAction| action.is_miss() && may_use(action) && !is_forced(action);
    if !plan.actions.iter().any(|action| may_find(&action)) {
        return Ok(plan);
    }
    let mut others = Vec::new();
    for processor in store.results().processors()? {
        others.push(Elsewhere::look_up(store, &plan, &processor)?);
    }
    let mut filled = Plan::default();
    // Action keys of the stages whose keys have changed.
    let mut changed: HashMap<Key, Key> = HashMap::new();
    let mut must_run_again = MustRunAgain::default();
    for mut action in plan.actions {
        let before = action.action_key;
        let inputs = graph.inputs(action.node);
        let is_downstream_of_forced = must_run_again.any(&inputs);
        if !is_forced(&action) {
            rename_inputs(&mut action, &changed);
            if action.is_miss() || action.action_key != before {
                action.state = again(graph, store, &filled, &action, is_downstream_of_forced)?;
            }
        }
        if may_find(&&action)
            && let Some(record) = find(
                graph,
                store,
                &filled,
                &action,
                &others,
                is_downstream_of_forced,
            )?
        {
            action.action_key = record.action_key;
            action.fingerprint = record.fingerprint.clone();
            action.state = State::Cached(Box::new(record));
        }
        if action.action_key != before {
            changed.insert(before, action.action_key);
        }
        must_run_again.add(&action, is_downstream_of_forced);
        filled.push(action);
    }
    Ok(filled)
}

/// Returns the numbers of cached stages whose results are of other kinds of processors than this machine has, by kind.
pub fn computed_elsewhere(graph: &Graph, plan: &Plan) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for action in &plan.actions {
        let own = graph.stages[action.node].processor.as_deref();
        if let State::Cached(record) = &action.state
            && let (Some(own), Some(kind)) = (own, &record.fingerprint.processor)
            && own != kind
            && own != UNKNOWN_GPU
        {
            *counts.entry(kind.clone()).or_default() += 1;
        }
    }
    counts
}

/// Returns the kinds of processors with results in the store that a plan does not use, sorted.
pub fn unused_processors(graph: &Graph, store: &Store) -> Vec<String> {
    if store.matching() == Matching::Any {
        return Vec::new();
    }
    let stages = graph.stages.node_weights();
    let own: BTreeSet<&str> = stages.filter_map(|s| s.processor.as_deref()).collect();
    let mut others = store.results().processors().unwrap_or_default();
    others.retain(|kind| !own.is_empty() && !own.contains(kind.as_str()));
    others.into_iter().collect()
}

/// The keys that all stages of a plan have on another kind of processor, and what is in the store under them.
struct Elsewhere {
    processor: String,
    stages: HashMap<NodeIndex, Lookup>,
}

impl Elsewhere {
    fn look_up(store: &Store, plan: &Plan, processor: &str) -> Result<Self, Error> {
        let mut keys = HashMap::new();
        let mut known = Vec::with_capacity(plan.actions.len());
        for action in &plan.actions {
            let fingerprint = with_inputs(&on(&action.fingerprint, processor), &keys);
            let key = action_key(&fingerprint);
            keys.insert(action.action_key, key);
            known.push((action.node, key));
        }
        let wanted: Vec<Key> = known.iter().map(|&(_, key)| key).collect();
        let lookups = store.results().look_up(&wanted)?;
        let nodes = known.into_iter().map(|(node, _)| node);
        Ok(Self {
            processor: processor.to_owned(),
            stages: nodes.zip(lookups).collect(),
        })
    }
}

/// Returns the fingerprint of a stage on another kind of processor. A stage on a GPU stays on a GPU.
fn on(fingerprint: &Fingerprint, processor: &str) -> Fingerprint {
    let is_gpu = |name: &str| name.starts_with(GPU);
    let own = fingerprint.processor.as_deref();
    let moves = own.is_some_and(|own| is_gpu(own) == is_gpu(processor));
    Fingerprint {
        processor: match moves {
            true => Some(processor.to_owned()),
            false => fingerprint.processor.clone(),
        },
        ..fingerprint.clone()
    }
}

/// Returns the fingerprint with other action keys of its inputs, as far as `keys` has them.
fn with_inputs(fingerprint: &Fingerprint, keys: &HashMap<Key, Key>) -> Fingerprint {
    let mut fingerprint = fingerprint.clone();
    for input in fingerprint.inputs.values_mut().flatten() {
        if let InputId::Action { key, .. } = input
            && let Some(other) = keys.get(key)
        {
            *key = *other;
        }
    }
    fingerprint
}

/// Gives a stage the key that follows from the results that were chosen for its inputs.
fn rename_inputs(action: &mut PlannedAction, changed: &HashMap<Key, Key>) {
    if !changed.is_empty() {
        action.fingerprint = with_inputs(&action.fingerprint, changed);
        action.action_key = action_key(&action.fingerprint);
    }
}

/// Decides the state of a stage again, after the states of its producers.
fn again(
    graph: &Graph,
    store: &Store,
    plan: &Plan,
    action: &PlannedAction,
    is_downstream_of_forced: bool,
) -> Result<State, Error> {
    let lookup = store.results().look_up(&[action.action_key])?.pop();
    let known = Known {
        node: action.node,
        action_key: &action.action_key,
        fingerprint: &action.fingerprint,
        lookup: lookup.unwrap_or(Lookup::Absent),
        content_key: None,
        is_downstream_of_forced,
    };
    state::find(graph, store, plan, known)
}

/// Returns a result of another kind of processor.
fn find(
    graph: &Graph,
    store: &Store,
    plan: &Plan,
    action: &PlannedAction,
    others: &[Elsewhere],
    is_downstream_of_forced: bool,
) -> Result<Option<ActionRecord>, Error> {
    let inputs = cached_inputs(graph, plan, action.node);
    let content_keys: Option<Vec<Key>> = inputs.map(|inputs| {
        let content_key = |other: &Elsewhere| {
            key::content_key_of(&on(&action.fingerprint, &other.processor), &inputs)
        };
        others.par_iter().map(content_key).collect()
    });
    for (position, other) in others.iter().enumerate() {
        if let Some(Lookup::Hit(record)) = other.stages.get(&action.node)
            && match &content_keys {
                Some(keys) => keys[position] == record.content_key,
                None => !is_downstream_of_forced,
            }
        {
            return Ok(Some((**record).clone()));
        }
    }
    let lookups = store.results().look_up(&content_keys.unwrap_or_default())?;
    Ok(lookups.into_iter().find_map(|lookup| match lookup {
        Lookup::Hit(record) => Some(*record),
        _ => None,
    }))
}
