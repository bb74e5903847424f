//! Explains why a stage runs or is cached, and where an artifact comes from.
//!
//! `trace` compares two actions. If their inputs differ, it follows them upstream to the change. [`explain`] does
//! this for a stage of a plan, and [`last_execution`] for a stage of a past run. [`lineage`] follows the links between
//! records.

pub mod lineage;
pub mod maker;
mod past;
mod trace;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;

use petgraph::Direction::Outgoing;
use petgraph::graph::NodeIndex;

use crate::graph::Graph;
use crate::plan::{Change, MissReason, Plan, State, changes};
use store::keys::Fingerprint;
use store::keys::Key;
use store::{ActionRecord, Store};

pub use past::{LastExecution, PastCause, last_execution};
pub use trace::{Found, trace};

/// The reason why a stage of a plan is cached or not.
#[derive(Clone, Debug, PartialEq)]
pub enum Explanation {
    /// It is cached.
    Hit(Box<Hit>),
    /// It runs, or may run; with the causes, nearest first.
    Miss(Vec<Cause>),
}

/// The record of a cached stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    pub record: ActionRecord,
    /// The action that was executed: this one, or one whose inputs had the same content (early cutoff).
    pub made_as: Key,
}

/// A cause that makes a stage run.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// Path from the explained stage upstream to the stage that the cause is in.
    pub path: Vec<NodeIndex>,
    pub why: Why,
    /// Stages downstream of that stage that are not cached.
    pub followers: BTreeSet<NodeIndex>,
}

/// Description of a cause.
#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    Change(Change),
    /// A reason other than a change, such as a first run or a missing record.
    Miss(MissReason),
}

impl Cause {
    /// Returns the stage that the cause is in.
    pub fn node(&self) -> NodeIndex {
        self.path[self.path.len() - 1]
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(change) => write!(f, "{change}"),
            Self::Miss(reason) => write!(f, "{reason}"),
        }
    }
}

/// Explains the state of a stage of `plan`.
pub fn explain(graph: &Graph, store: &Store, plan: &Plan, node: NodeIndex) -> Explanation {
    let explainer = Explainer::new(graph, store, plan);
    match &plan.action(node).state {
        State::Cached(record) => {
            let origin = store.recall(&record.content_key);
            Explanation::Hit(Box::new(Hit {
                made_as: origin.map_or(record.action_key, |origin| origin.action_key),
                record: (**record).clone(),
            }))
        }
        State::Runs(_) | State::Waits(_) => Explanation::Miss(explainer.causes(node)),
    }
}

/// Returns all causes for which stages of `plan` run, in the plan's order of stages.
pub fn explain_all(graph: &Graph, store: &Store, plan: &Plan) -> Vec<Cause> {
    let explainer = Explainer::new(graph, store, plan);
    let mut causes: Vec<Cause> = Vec::new();
    let mut seen: HashSet<(NodeIndex, String)> = HashSet::new();
    for action in &plan.actions {
        let found = match &action.state {
            State::Cached(_) => Vec::new(),
            State::Runs(reason) => explainer.of_running(action.node, reason),
            State::Waits(_) => explainer.own(action.node),
        };
        let fresh = found.into_iter().filter(|cause| {
            let is_own = cause.path.len() == 1;
            let cause = Cause {
                path: vec![cause.node()],
                ..cause.clone()
            };
            // A stage that never ran and waits for one upstream needs no cause of its own.
            let is_idle = is_own
                && matches!(cause.why, Why::Miss(MissReason::FirstRun))
                && matches!(action.state, State::Waits(_));
            !is_idle && seen.insert((cause.node(), cause.why.to_string()))
        });
        causes.extend(fresh.map(|cause| Cause {
            path: vec![cause.node()],
            ..cause
        }));
    }
    causes
}

struct Explainer<'a> {
    graph: &'a Graph,
    store: &'a Store,
    plan: &'a Plan,
    nodes: HashMap<Key, NodeIndex>,
}

impl<'a> Explainer<'a> {
    fn new(graph: &'a Graph, store: &'a Store, plan: &'a Plan) -> Self {
        // The first of several equal actions represents all.
        let actions = plan.actions.iter().rev();
        Self {
            graph,
            store,
            plan,
            nodes: actions.map(|a| (a.action_key, a.node)).collect(),
        }
    }

    /// Returns all causes for a stage that is not cached, nearest first.
    fn causes(&self, node: NodeIndex) -> Vec<Cause> {
        let mut causes: Vec<Cause> = Vec::new();
        for path in self.paths_up(node) {
            let at = path[path.len() - 1];
            let found = match &self.plan.action(at).state {
                State::Cached(_) => Vec::new(),
                State::Runs(reason) => self.of_running(at, reason),
                State::Waits(_) if at == node => self.traced(at),
                State::Waits(_) => Vec::new(),
            };
            for mut cause in found {
                let mut whole = path.clone();
                whole.extend(cause.path.drain(1..));
                cause.path = whole;
                let is_known =
                    |known: &Cause| (known.node(), &known.why) == (cause.node(), &cause.why);
                if !causes.iter().any(is_known) {
                    causes.push(cause);
                }
            }
        }
        causes.sort_by_key(|cause| cause.path.len());
        causes
    }

    /// Returns the shortest path from a stage to itself and to each upstream stage that is not cached,
    /// nearest first.
    fn paths_up(&self, node: NodeIndex) -> Vec<Vec<NodeIndex>> {
        let mut paths = Vec::new();
        let mut seen = HashSet::from([node]);
        let mut open = VecDeque::from([vec![node]]);
        while let Some(path) = open.pop_front() {
            for (producer, _) in self.graph.inputs(path[path.len() - 1]) {
                let is_cached = matches!(self.plan.action(producer).state, State::Cached(_));
                if !is_cached && seen.insert(producer) {
                    open.push_back(path.iter().copied().chain([producer]).collect());
                }
            }
            paths.push(path);
        }
        paths
    }

    fn of_running(&self, node: NodeIndex, reason: &MissReason) -> Vec<Cause> {
        let traced = match reason {
            MissReason::Changed { .. } => self.traced(node),
            _ => Vec::new(),
        };
        if traced.is_empty() {
            return vec![self.cause(vec![node], Why::Miss(reason.clone()))];
        }
        traced
    }

    /// Returns what changed since the stage last ran or was cached, in the stage itself and upstream of it.
    fn traced(&self, node: NodeIndex) -> Vec<Cause> {
        let planned = self.plan.action(node);
        let Some(last) = self.last(node) else {
            return vec![self.cause(vec![node], Why::Miss(MissReason::FirstRun))];
        };
        let now = |key: &Key| {
            let node = self.nodes.get(key)?;
            Some(self.plan.action(*node).fingerprint.clone())
        };
        let before = |key: &Key| Some(self.store.recall(key)?.fingerprint);
        let differences = |key: &Key, from: &Fingerprint, to: &Fingerprint| {
            let node = self.nodes.get(key);
            let sources = node.map(|node| self.graph.stages[*node].stage.sources());
            changes(self.store, from, to, &sources.unwrap_or_default())
        };
        let found = trace(
            planned.action_key,
            &last,
            &planned.fingerprint,
            &before,
            &now,
            &differences,
        );
        let causes = found.into_iter().map(|found| {
            let upstream = found.path.iter().skip(1);
            let upstream = upstream.filter_map(|key| self.nodes.get(key).copied());
            let path = [node].into_iter().chain(upstream).collect();
            self.cause(path, Why::Change(found.change))
        });
        causes.collect()
    }

    /// Returns what changed in the stage itself.
    fn own(&self, node: NodeIndex) -> Vec<Cause> {
        let mut causes = self.traced(node);
        causes.retain(|cause| cause.path.len() == 1);
        causes
    }

    fn last(&self, node: NodeIndex) -> Option<Fingerprint> {
        let name = self.graph.stages[node].name.to_string();
        self.store.last_fingerprint(&self.graph.pipeline, &name)
    }

    fn cause(&self, path: Vec<NodeIndex>, why: Why) -> Cause {
        let mut followers = BTreeSet::new();
        let mut seen = HashSet::new();
        let mut open = vec![path[path.len() - 1]];
        while let Some(node) = open.pop() {
            for consumer in self.graph.stages.neighbors_directed(node, Outgoing) {
                if !seen.insert(consumer) {
                    continue;
                }
                open.push(consumer);
                let action = self.plan.get(consumer);
                if action.is_some_and(|action| !matches!(action.state, State::Cached(_))) {
                    followers.insert(consumer);
                }
            }
        }
        Cause {
            path,
            why,
            followers,
        }
    }
}
