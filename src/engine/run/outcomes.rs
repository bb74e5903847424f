//! Outcomes of stages, from a run or from the store, in the form that a sweep needs.

use std::collections::HashMap;

use contract::{METRICS_FILE, Metric};
use petgraph::graph::NodeIndex;
use petgraph::visit::{Dfs, Reversed};

use super::failures::Failures;
use super::metrics;
use crate::executor::{Execution, Outputs};
use crate::graph::Graph;
use crate::plan::{Plan, State};
use crate::scheduler::Outcome;
use crate::spec::suggest;
use crate::sweep::{MetricAt, Missing, Results};
use store::Store;
use store::keys::Key;

/// Outputs and failures of stages, as far as they are known.
pub struct Outcomes<'a> {
    store: &'a Store,
    pub outputs: HashMap<NodeIndex, Outputs>,
    failed: HashMap<NodeIndex, String>,
    /// Action keys of all planned stages.
    keys: HashMap<NodeIndex, Key>,
}

impl<'a> Outcomes<'a> {
    pub fn new(store: &'a Store) -> Self {
        Self {
            store,
            outputs: HashMap::new(),
            failed: HashMap::new(),
            keys: HashMap::new(),
        }
    }

    /// Returns the action key of a stage that was planned.
    pub fn key(&self, node: NodeIndex) -> Option<&Key> {
        self.keys.get(&node)
    }

    /// Adds the outcomes of an executed plan.
    pub fn executed(&mut self, plan: &Plan, execution: Execution) {
        let keys = plan.actions.iter();
        self.keys
            .extend(keys.map(|action| (action.node, action.action_key)));
        for (action, stage) in plan.actions.iter().zip(&execution.stages) {
            if stage.outcome == Outcome::Failed {
                let error = stage.error.clone().unwrap_or_default();
                self.failed.insert(action.node, error);
            } else {
                self.failed.remove(&action.node);
            }
        }
        self.outputs.extend(execution.outputs);
    }

    /// Adds the outputs that a plan found in the store and, for the other stages, the failures of earlier runs.
    pub fn stored(&mut self, plan: &Plan, failures: &Failures) {
        for action in &plan.actions {
            match &action.state {
                State::Cached(record) => {
                    self.outputs.insert(action.node, record.outputs.clone());
                }
                _ => {
                    let error = failures.of(&action.action_key);
                    self.failed
                        .extend(error.map(|error| (action.node, error.to_owned())));
                }
            }
        }
    }

    /// Returns why an instance has no outputs.
    fn missing(&self, graph: &Graph, node: NodeIndex) -> Missing {
        if self.failed.is_empty() {
            return Missing::NotRun;
        }
        let upstream = Reversed(&graph.stages);
        let mut walk = Dfs::new(upstream, node);
        while let Some(node) = walk.next(upstream) {
            if let Some(error) = self.failed.get(&node) {
                return Missing::Failed(format!("{}: {error}", graph.stages[node].name));
            }
        }
        Missing::NotRun
    }
}

impl Results for Outcomes<'_> {
    fn metric(&self, graph: &Graph, node: NodeIndex, at: &MetricAt) -> Result<Metric, Missing> {
        let outputs = self.outputs.get(&node);
        let outputs = outputs.ok_or_else(|| self.missing(graph, node))?;
        let digest = outputs.get(&at.port);
        let digest = digest
            .ok_or_else(|| Missing::Failed(format!("the stage has no output `{}`", at.port)))?;
        let metrics = metrics::read(self.store, digest).map_err(Missing::Failed)?;
        let metrics = metrics
            .ok_or_else(|| Missing::Failed(format!("the output has no file `{METRICS_FILE}`")))?;
        metrics.get(&at.metric).cloned().ok_or_else(|| {
            let stage = &graph.stages[node].name;
            let known = metrics.keys().map(String::as_str);
            let hint = suggest::hint("metrics", &at.metric, known);
            let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
            Missing::Failed(format!("`{stage}` has no metric `{}`{hint}", at.metric))
        })
    }

    fn all(&self, graph: &Graph, nodes: &[NodeIndex]) -> Result<(), Missing> {
        let missing = nodes.iter().filter(|node| !self.outputs.contains_key(node));
        let mut why = missing.map(|&node| self.missing(graph, node)).peekable();
        match why.peek().cloned() {
            None => Ok(()),
            // A failure is more informative than a stage that was not run because of it.
            Some(first) => Err(why.find(|why| *why != Missing::NotRun).unwrap_or(first)),
        }
    }
}
