//! The plan: for every stage of a graph its key, and whether it is cached, runs (and why) or waits.
//!
//! A [`Fingerprint`] holds everything that can change a stage's result; a key is its hash. The *action key*
//! names each input by its producer's action key, so the keys of the whole plan are known before anything
//! runs. The *content key* names each input by its content: if a stage upstream is executed again and gives the same
//! result, the stages after it are still hits (early cutoff). Planning runs no stage and changes no result. It reads
//! source bytes and the action cache. It writes only memos and, if it finds a record by its content key, a copy of
//! the record under the action key.

mod key;
mod miss;
mod other_processors;
mod rebuild;
mod source;
mod state;
#[cfg(test)]
mod tests;
mod tools;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use contract::{FORMAT_VERSION, IndexEntry, Invalid, ShowPath, Source, Tool};
use petgraph::graph::NodeIndex;
use rayon::prelude::*;

pub use key::{action_key, checkpoint_key, content_key};
pub use miss::{Change, MissReason, ParamChange, SourceChanges, changes};
pub use other_processors::{computed_elsewhere, unused_processors};
pub use rebuild::{chosen_params, metrics_ports, rebuild};
pub use source::source_digest;
pub use tools::{UnknownVersion, unknown_versions};

use crate::graph::{Graph, Instance, Link};
use source::{Listing, Sources};
use state::Known;
use store::keys::{Digest, Key};
use store::keys::{Fingerprint, InputId, ToolId};
use store::{ActionRecord, Lookup, Store};

/// Minimum number of content keys that one thread computes.
const CONTENT_KEYS: usize = 32;

const STAMPS: &str = "runner stage stamps v1";

/// Stages that run even if they are cached.
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
    /// Stages to plan, with their ancestors. `None` means the graph's `reach`, or all stages if it has none.
    pub until: Option<Vec<NodeIndex>>,
}

/// State of a stage in a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Its outputs are in the store.
    Cached(Box<ActionRecord>),
    Runs(MissReason),
    /// The results upstream decide if it runs. The node is the nearest stage upstream that runs.
    Waits(NodeIndex),
}

/// A stage with everything that can change its result.
#[derive(Clone, Debug)]
pub struct PlannedAction {
    pub node: NodeIndex,
    pub action_key: Key,
    pub fingerprint: Fingerprint,
    /// Stamps of its sources and programs when their digests were taken.
    pub stamps: Stamps,
    pub state: State,
}

/// Hash of the sizes, times, inodes and devices of all files and folders of a stage's sources and programs, and of
/// the paths to them. It stays the same only if none of them was written to or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps(Digest);

impl fmt::Display for Stamps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The planned state of every stage.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In the graph's order.
    pub actions: Vec<PlannedAction>,
    positions: HashMap<NodeIndex, usize>,
}

impl PlannedAction {
    /// Returns whether the action has to run.
    pub fn is_miss(&self) -> bool {
        !matches!(self.state, State::Cached(_))
    }
}

impl Plan {
    /// Returns the actions that are not cached, in the plan's order.
    pub fn misses(&self) -> impl Iterator<Item = &PlannedAction> {
        self.actions.iter().filter(|action| action.is_miss())
    }

    /// Returns the action of a stage that is part of the plan.
    ///
    /// # Panics
    /// If `node` is not part of the plan because `until` left it out.
    pub fn action(&self, node: NodeIndex) -> &PlannedAction {
        &self.actions[self.positions[&node]]
    }

    /// Returns the action of a stage. `None` if `until` left it out.
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
    /// A source or a program cannot be read. For a source, `invalid` has the path of the parameter that names it.
    #[error("{invalid}")]
    Source { node: NodeIndex, invalid: Invalid },
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A bug in runner.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Returns the stages that a plan with these options covers, in the graph's order.
pub fn wanted(graph: &Graph, options: &PlanOptions) -> Vec<NodeIndex> {
    let until = options.until.as_ref().or(graph.reach.as_ref());
    let wanted = until.map(|until| graph.with_ancestors(until));
    let is_wanted = |node: &NodeIndex| wanted.as_ref().is_none_or(|wanted| wanted.contains(node));
    graph.order.iter().copied().filter(is_wanted).collect()
}

/// Plans `graph` against the content of `store`.
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
    // All keys are known before anything runs, so many can be looked up at once.
    let is_forced = |node: &NodeIndex| options.force.covers(*node);
    let looked_up = known.iter().filter(|(node, ..)| !is_forced(node));
    let keys: Vec<Key> = looked_up.map(|(_, key, ..)| *key).collect();
    let mut answers = store.results().look_up(&keys)?.into_iter();
    let lookups: Vec<Option<Lookup>> = known
        .iter()
        .map(|(node, ..)| {
            if is_forced(node) {
                None
            } else {
                answers.next()
            }
        })
        .collect();
    let contents = content_keys(graph, &known, &lookups);
    let mut plan = Plan::default();
    let mut must_run_again = MustRunAgain::default();
    // Cached stages whose record is the one that was found under their action key.
    let mut looked_up = HashSet::new();
    for (((node, action_key, fingerprint, stamps), lookup), content_key) in
        known.into_iter().zip(lookups).zip(contents)
    {
        let inputs = graph.inputs(node);
        let is_downstream_of_forced = must_run_again.any(&inputs);
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
                        .filter(|_| inputs.iter().all(|(node, _)| looked_up.contains(node))),
                    is_downstream_of_forced,
                };
                let state = state::find(graph, store, &plan, known)?;
                if matches!(&state, State::Cached(record) if seen == Some(record.content_key)) {
                    looked_up.insert(node);
                }
                state
            }
        };
        let action = PlannedAction {
            node,
            action_key,
            fingerprint,
            stamps,
            state,
        };
        must_run_again.add(&action, is_downstream_of_forced);
        plan.push(action);
    }
    other_processors::fill_in(graph, store, plan)
}

/// Stages that are forced to run, and those downstream that therefore wait. Their results may differ from those in
/// the store.
#[derive(Default)]
struct MustRunAgain(HashSet<NodeIndex>);

impl MustRunAgain {
    fn add(&mut self, action: &PlannedAction, is_downstream: bool) {
        let must = match action.state {
            State::Runs(MissReason::Forced) => true,
            State::Waits(_) => is_downstream,
            _ => false,
        };
        if must {
            self.0.insert(action.node);
        }
    }

    /// Returns whether one of the inputs comes from such a stage.
    fn any(&self, inputs: &[(NodeIndex, &Link)]) -> bool {
        inputs.iter().any(|(node, _)| self.0.contains(node))
    }
}

/// Returns the content key of each action that has a record and whose producers all have one; `None` for the others.
/// The keys are computed from these records.
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
        .with_min_len(CONTENT_KEYS)
        .map(content_key)
        .collect()
}

/// Changes to a stage's sources and programs since planning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// None of them was written to.
    Unchanged,
    /// They were written to, but have the same content as before. They may have had other content in between. Holds
    /// their present stamps.
    Rewritten(Stamps),
    /// Their content has changed. Holds their paths, and names of programs.
    Changed(Vec<String>),
}

/// Compares a planned stage's sources and programs with the time when their stamps were `before`. Call this after
/// the stage has run and before its result is recorded: the stage may have read bytes that changed after planning,
/// even if they were changed back.
pub fn source_state(
    graph: &Graph,
    store: &Store,
    planned: &PlannedAction,
    before: &Stamps,
) -> Result<SourceState, Error> {
    let instance = &graph.stages[planned.node];
    let tools = instance.stage.tools();
    if instance.stage.sources().is_empty() && tools.is_empty() {
        return Ok(SourceState::Unchanged);
    }
    let mut sources = Sources::new(store);
    let (params, tools, stamps) = read(instance, planned.node, &tools, &mut sources)?;
    let Fingerprint {
        params: old_params,
        tools: old_tools,
        ..
    } = &planned.fingerprint;
    Ok(if params != *old_params || tools != *old_tools {
        let is_changed = |source: &Source| {
            source::param(&params, &source.param) != source::param(old_params, &source.param)
        };
        let changed = instance.stage.sources().into_iter().filter(is_changed);
        let changed = changed.map(|source| source.path.shown());
        let programs = tools
            .iter()
            .filter(|(name, id)| old_tools.get(*name) != Some(id));
        SourceState::Changed(
            changed
                .chain(programs.map(|(name, _)| name.clone()))
                .collect(),
        )
    } else if stamps != *before {
        SourceState::Rewritten(stamps)
    } else {
        SourceState::Unchanged
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
        processor: instance.processor.clone(),
        tools,
        inputs,
        index,
    };
    Ok((fingerprint, stamps))
}

/// Returns the stage's parameters in canonical form, with digests in place of the paths of sources; the
/// identities of its programs; and the stamps of its sources and programs.
fn read(
    instance: &Instance,
    node: NodeIndex,
    tools: &[Tool],
    sources: &mut Sources<'_>,
) -> Result<(serde_json::Value, BTreeMap<String, ToolId>, Stamps), Error> {
    let mut stamps = String::new();
    let mut params = instance.stage.canonical();
    for source in instance.stage.sources() {
        let seen = sources.read(&source).map_err(|invalid| Error::Source {
            node,
            invalid: Invalid {
                path: source.written.clone(),
                ..invalid
            },
        })?;
        let param = source::param_mut(&mut params, &source.param).ok_or_else(|| {
            let kind = instance.kind.name;
            Error::Internal(format!(
                "kind `{kind}` declares the source `{}` for a parameter that it does not have",
                source.path.shown()
            ))
        })?;
        *param = source::placeholder(&seen.digest);
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

/// Stops trusting the stored indexes of sources, so that the next plans with this store read each source once again.
pub fn rehash_sources(store: &mut Store) {
    store.distrust_indexes(source::now());
}

/// Returns the number of files in the source with this digest, if its listing is still stored.
pub fn source_len(store: &Store, digest: &Digest) -> Option<usize> {
    let listing = Listing::recall(store, digest)?;
    let files = listing.files();
    Some(files.keys().filter(|name| !name.ends_with('/')).count())
}
