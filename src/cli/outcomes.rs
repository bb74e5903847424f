//! What came of stages, from a run or from the store, as a sweep asks for it.

use std::collections::HashMap;

use petgraph::graph::NodeIndex;
use petgraph::visit::{Dfs, Reversed};
use stages::contract::{METRICS_FILE, Metric};

use super::metrics;
use super::pipeline::planned;
use crate::error::Error;
use crate::executor::{Execution, Outputs};
use crate::graph::Graph;
use crate::plan::{Plan, PlanOptions, State};
use crate::scheduler::Outcome;
use crate::store::Store;
use crate::sweep::{Course, MetricAt, Missing, Results};

/// Outputs and failures of stages, as far as they are known.
pub struct Outcomes<'a> {
    store: &'a Store,
    pub outputs: HashMap<NodeIndex, Outputs>,
    failed: HashMap<NodeIndex, String>,
}

impl<'a> Outcomes<'a> {
    pub fn new(store: &'a Store) -> Self {
        Self {
            store,
            outputs: HashMap::new(),
            failed: HashMap::new(),
        }
    }

    /// Takes in what came of a plan that was executed.
    pub fn executed(&mut self, plan: &Plan, execution: Execution) {
        for (action, stage) in plan.actions.iter().zip(&execution.stages) {
            if stage.outcome == Outcome::Failed {
                let error = stage.error.clone().unwrap_or_default();
                self.failed.insert(action.node, error);
            }
        }
        self.outputs.extend(execution.outputs);
    }

    /// Takes in what a plan found in the store.
    pub fn stored(&mut self, plan: &Plan) {
        for action in &plan.actions {
            if let State::Cached(record) = &action.state {
                self.outputs.insert(action.node, record.outputs.clone());
            }
        }
    }

    /// Why an instance has no outputs.
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
        let digest = outputs.get(&at.port).ok_or(Missing::NotRun)?;
        let metrics = metrics::read(self.store, digest).map_err(Missing::Failed)?;
        let metrics =
            metrics.ok_or_else(|| Missing::Failed(format!("no file `{METRICS_FILE}`")))?;
        metrics.get(&at.metric).cloned().ok_or_else(|| {
            let known: Vec<String> = metrics.keys().map(|name| format!("`{name}`")).collect();
            let stage = &graph.stages[node].name;
            Missing::Failed(format!(
                "`{stage}` has no metric `{}`; it has {}",
                at.metric,
                known.join(", ")
            ))
        })
    }

    fn all(&self, graph: &Graph, nodes: &[NodeIndex]) -> Result<(), Missing> {
        let missing = nodes.iter().filter(|node| !self.outputs.contains_key(node));
        let mut why = missing.map(|&node| self.missing(graph, node)).peekable();
        match why.peek().cloned() {
            None => Ok(()),
            // A failure says more than what was not run for it.
            Some(first) => Err(why.find(|why| *why != Missing::NotRun).unwrap_or(first)),
        }
    }
}

/// Goes through a sweep as far as the store has results, and says what these are. The last round is the
/// first of which something is missing.
pub fn replay<'a>(course: &mut Course, store: &'a Store) -> Result<Outcomes<'a>, Error> {
    let mut outcomes = Outcomes::new(store);
    while let Some(round) = course.next_round().map_err(Error::Invalid)? {
        if !course.is_adaptive() && course.trials().is_empty() {
            // A pipeline, or its seeds: nothing follows from results.
            break;
        }
        let options = PlanOptions {
            until: round.until.clone(),
            ..PlanOptions::default()
        };
        let plan = planned(course.graph(), store, &options)?;
        outcomes.stored(&plan);
        course.tell(&round, &outcomes);
    }
    Ok(outcomes)
}
