//! The plan: for every stage of a graph its key, and whether it is cached, runs (and why), or waits.
//!
//! A [`Fingerprint`] holds everything that can change a stage's result; a key is its hash. The
//! *action key* names each input by its producer's action key, so the whole plan is known before
//! anything runs. The *content key* names each input by what it holds: if upstream was redone and
//! came out the same, what follows is a hit all the same (early cutoff). Nothing here runs a stage
//! or changes a result: planning reads source bytes and the action cache; what it writes is memos,
//! and a second name for a record that was found by its content key.

mod key;
mod miss;
mod rebuild;
mod source;
mod source_index;
mod source_path;
mod state;
#[cfg(test)]
mod tests;
mod tools;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use contract::{FORMAT_VERSION, IndexEntry, Invalid, Tool};
use petgraph::graph::NodeIndex;
use rayon::prelude::*;

pub use key::{action_key, checkpoint_key, content_key};
pub use miss::{Change, MissReason, ParamChange, SourceChanges, changes};
pub use rebuild::{chosen_params, metrics_ports, rebuild};
pub use source::stands_for;
pub use tools::{Unasked, unasked};

use crate::graph::{Graph, Instance};
use crate::keys::{Digest, Key};
use crate::keys::{Fingerprint, InputId, ToolId};
use crate::store::{self, ActionRecord, Lookup, Store};
use source::{Listing, Sources};
use state::Known;

/// Lookups that are worth a thread of their own.
const LOOKUPS: usize = 32;

const STAMPS: &str = "runner stage stamps v1";

/// Which stages are run although they are cached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Force {
    #[default]
    None,
    All,
    Nodes(BTreeSet<NodeIndex>),
}

impl Force {
    fn covers(&self, node: NodeIndex) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Nodes(nodes) => nodes.contains(&node),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    pub force: Force,
    /// Only these stages and what they need; unless given, what the graph reaches to.
    pub until: Option<Vec<NodeIndex>>,
}

/// What is to become of a stage.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Its outputs are in the store.
    Cached(Box<ActionRecord>),
    Runs(MissReason),
    /// It runs if the outcome upstream makes it: on the nearest stage upstream that runs.
    Waits(NodeIndex),
}

/// A stage with everything fixed that can change its result.
#[derive(Clone, Debug)]
pub struct PlannedAction {
    pub node: NodeIndex,
    pub action_key: Key,
    pub fingerprint: Fingerprint,
    /// Of its sources, when their digests were taken.
    pub stamps: Stamps,
    pub state: State,
}

/// Hash of sizes, times, inodes and devices of all files and folders of a stage's sources, and of what leads to
/// them: the same only if nothing in them was written to or switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps(Digest);

/// What is to become of every stage.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In the graph's order.
    pub actions: Vec<PlannedAction>,
    positions: HashMap<NodeIndex, usize>,
}

impl PlannedAction {
    /// Whether the action has to run.
    pub fn is_miss(&self) -> bool {
        !matches!(self.state, State::Cached(_))
    }
}

impl Plan {
    /// The actions that are not cached, in the plan's order.
    pub fn misses(&self) -> impl Iterator<Item = &PlannedAction> {
        self.actions.iter().filter(|action| action.is_miss())
    }

    /// The action of a stage that is part of the plan.
    ///
    /// # Panics
    /// If `node` is not: `until` left it out.
    pub fn action(&self, node: NodeIndex) -> &PlannedAction {
        &self.actions[self.positions[&node]]
    }

    /// The action of a stage, unless `until` left it out.
    pub fn get(&self, node: NodeIndex) -> Option<&PlannedAction> {
        self.positions
            .get(&node)
            .map(|&position| &self.actions[position])
    }

    fn push(&mut self, action: PlannedAction) {
        self.positions.insert(action.node, self.actions.len());
        self.actions.push(action);
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A source cannot be read; `invalid` leads to the parameter that names it.
    #[error("{invalid}")]
    Source { node: NodeIndex, invalid: Invalid },
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A fault of runner's own.
    #[error("internal error: {0}")]
    Internal(String),
}

/// The stages that a plan with these options is about, in the graph's order.
pub fn wanted(graph: &Graph, options: &PlanOptions) -> Vec<NodeIndex> {
    let until = options.until.as_ref().or(graph.reach.as_ref());
    let wanted = until.map(|until| graph.with_ancestors(until));
    let is_wanted = |node: &NodeIndex| wanted.as_ref().is_none_or(|wanted| wanted.contains(node));
    graph.order.iter().copied().filter(is_wanted).collect()
}

/// Plans `graph` against what `store` holds.
pub fn plan(graph: &Graph, store: &Store, options: &PlanOptions) -> Result<Plan, Error> {
    let mut sources = Sources::new(store);
    let mut keys = HashMap::new();
    let mut known = Vec::new();
    for node in wanted(graph, options) {
        let (fingerprint, stamps) = fingerprint(graph, node, &keys, &mut sources)?;
        let action_key = action_key(&fingerprint);
        keys.insert(node, action_key);
        known.push((node, action_key, fingerprint, stamps));
    }
    // All keys are known before anything runs, so the store can be asked for many at once.
    let lookups: Vec<Option<Lookup>> = known
        .par_iter()
        .with_min_len(LOOKUPS)
        .map(|(node, key, ..)| match options.force.covers(*node) {
            true => Ok(None),
            false => store.examine(key).map(Some),
        })
        .collect::<Result<_, _>>()?;
    let contents = content_keys(graph, &known, &lookups);
    let mut plan = Plan::default();
    let mut behind_forced = HashSet::new();
    // Stages whose records are those that were looked up.
    let mut looked_up = HashSet::new();
    for (((node, action_key, fingerprint, stamps), lookup), content_key) in
        known.into_iter().zip(lookups).zip(contents)
    {
        let producers = graph.inputs(node).into_iter();
        let producers: Vec<NodeIndex> = producers.map(|(producer, _)| producer).collect();
        let is_behind_forced = producers.iter().any(|node| behind_forced.contains(node));
        let state = match lookup {
            None => State::Runs(MissReason::Forced),
            Some(lookup) => {
                let seen = match &lookup {
                    Lookup::Hit(record) => Some(record.content_key),
                    _ => None,
                };
                let known = Known {
                    node,
                    action_key: &action_key,
                    fingerprint: &fingerprint,
                    lookup,
                    content_key: content_key
                        .filter(|_| producers.iter().all(|node| looked_up.contains(node))),
                    is_behind_forced,
                };
                let state = state::find(graph, store, &plan, known)?;
                if matches!(&state, State::Cached(record) if seen == Some(record.content_key)) {
                    looked_up.insert(node);
                }
                state
            }
        };
        let is_anew = match state {
            State::Runs(MissReason::Forced) => true,
            State::Waits(_) => is_behind_forced,
            _ => false,
        };
        if is_anew {
            behind_forced.insert(node);
        }
        plan.push(PlannedAction {
            node,
            action_key,
            fingerprint,
            stamps,
            state,
        });
    }
    Ok(plan)
}

/// The content keys of actions that have a record and whose inputs all have one, as far as these tell.
fn content_keys(
    graph: &Graph,
    known: &[(NodeIndex, Key, Fingerprint, Stamps)],
    lookups: &[Option<Lookup>],
) -> Vec<Option<Key>> {
    let nodes = known.iter().map(|(node, ..)| *node);
    let positions: HashMap<NodeIndex, usize> = nodes.zip(0..).collect();
    let hit = |position: usize| match &lookups[position] {
        Some(Lookup::Hit(record)) => Some(record),
        _ => None,
    };
    let content_key = |(position, (node, _, fingerprint, _)): (usize, &(_, _, Fingerprint, _))| {
        hit(position)?;
        let mut inputs: BTreeMap<String, Vec<Digest>> = BTreeMap::new();
        for (producer, link) in graph.inputs(*node) {
            let tree = *hit(positions[&producer])?.outputs.get(&link.port)?;
            inputs.entry(link.role.clone()).or_default().push(tree);
        }
        Some(key::content_key_of(fingerprint, &inputs))
    };
    known
        .par_iter()
        .enumerate()
        .with_min_len(LOOKUPS)
        .map(content_key)
        .collect()
}

/// What became of a stage's sources, and of the programs that it runs, meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// Nothing was written to.
    Untouched,
    /// They hold what they held, but were written to: for a while they may have held something else.
    /// Their stamps now.
    Touched(Stamps),
    /// They hold something else.
    Changed,
}

/// How the sources of a planned stage stand, whose stamps were `before`. To be asked once a stage has
/// run and before it is recorded: it may have read bytes that changed after planning, even if they
/// were changed back.
pub fn source_state(
    graph: &Graph,
    store: &Store,
    planned: &PlannedAction,
    before: &Stamps,
) -> Result<SourceState, Error> {
    let instance = &graph.stages[planned.node];
    let tools = instance.stage.tools();
    if instance.stage.sources().is_empty() && tools.is_empty() {
        return Ok(SourceState::Untouched);
    }
    let mut sources = Sources::new(store);
    let (params, tools, stamps) = read(instance, planned.node, &tools, &mut sources)?;
    let is_same = params == planned.fingerprint.params && tools == planned.fingerprint.tools;
    Ok(if !is_same {
        SourceState::Changed
    } else if stamps != *before {
        SourceState::Touched(stamps)
    } else {
        SourceState::Untouched
    })
}

fn fingerprint(
    graph: &Graph,
    node: NodeIndex,
    keys: &HashMap<NodeIndex, Key>,
    sources: &mut Sources<'_>,
) -> Result<(Fingerprint, Stamps), Error> {
    let instance = &graph.stages[node];
    let mut inputs: BTreeMap<String, Vec<InputId>> = BTreeMap::new();
    let mut index: BTreeMap<String, Vec<IndexEntry>> = BTreeMap::new();
    for (producer, link) in graph.inputs(node) {
        let input = InputId::Action {
            key: keys[&producer],
            port: link.port.clone(),
        };
        inputs.entry(link.role.clone()).or_default().push(input);
        if let Some(entry) = link.entry.as_deref() {
            let entries = index.entry(link.role.clone()).or_default();
            entries.push(entry.clone());
        }
    }
    let (params, tools, stamps) = read(instance, node, &instance.stage.tools(), sources)?;
    let fingerprint = Fingerprint {
        format: FORMAT_VERSION,
        kind: instance.kind.name.to_owned(),
        version: instance.kind.version,
        params,
        seed: instance.seed,
        device: instance.device,
        tools,
        inputs,
        index,
    };
    Ok((fingerprint, stamps))
}

/// The stage's parameters in canonical form, with the digests of sources in place of their paths; what
/// its programs count as; and the stamps of both.
fn read(
    instance: &Instance,
    node: NodeIndex,
    tools: &[Tool],
    sources: &mut Sources<'_>,
) -> Result<(serde_json::Value, BTreeMap<String, ToolId>, Stamps), Error> {
    let mut stamps = String::new();
    let mut params = instance.stage.canonical();
    for source in instance.stage.sources() {
        let seen = sources.see(&source).map_err(|invalid| Error::Source {
            node,
            invalid: Invalid {
                path: source.written.clone(),
                ..invalid
            },
        })?;
        let param = source::param_mut(&mut params, &source.param).ok_or_else(|| {
            let kind = instance.kind.name;
            Error::Internal(format!(
                "`{kind}` names the source `{}` by a parameter it does not have",
                source.path.display()
            ))
        })?;
        *param = source::stand_in(&seen.digest);
        stamps.push_str(&seen.stamps.to_string());
    }
    params.sort_all_objects();
    let mut ids = BTreeMap::new();
    for tool in tools {
        let (id, stamp) =
            tools::identify(tool, sources).map_err(|invalid| Error::Source { node, invalid })?;
        ids.insert(tool.name.clone(), id);
        stamps.extend(stamp.map(|stamp| stamp.to_string()));
    }
    let stamps = Stamps(Digest::derive(STAMPS, stamps.as_bytes()));
    Ok((params, ids, stamps))
}

/// Makes plans with this store read all sources again, each once, whatever is known of them.
pub fn rehash_sources(store: &mut Store) {
    store.distrust_indexes(source_index::now());
}

/// How many files the source has that is named by `digest`, if that was kept.
pub fn source_len(store: &Store, digest: &Digest) -> Option<usize> {
    let listing = Listing::recall(store, digest)?;
    let files = listing.files();
    Some(files.keys().filter(|name| !name.ends_with('/')).count())
}
