//! What came of stages, from a run or from the store, as a sweep asks for it.

use std::collections::HashMap;
use std::fs;

use petgraph::graph::NodeIndex;
use petgraph::visit::{Dfs, Reversed};
use stages::contract::{METRICS_FILE, Metric};

use super::metrics;
use super::pipeline::planned;
use crate::error::Error;
use crate::executor::{Execution, Outputs};
use crate::graph::Graph;
use crate::plan::{Plan, PlanOptions, State};
use crate::report::RunReport;
use crate::report::history::past_runs;
use crate::report::record::RUN_FILE;
use crate::scheduler::Outcome;
use crate::store::Store;
use crate::sweep::{Course, MetricAt, Missing, Results};

/// Runs that are asked what failed.
const LOOKED_AT: usize = 20;

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
            } else {
                self.failed.remove(&action.node);
            }
        }
        self.outputs.extend(execution.outputs);
    }

    /// Takes in what a plan found in the store, and what earlier runs say of the rest.
    pub fn stored(&mut self, plan: &Plan, failures: &Failures) {
        for action in &plan.actions {
            match &action.state {
                State::Cached(record) => {
                    self.outputs.insert(action.node, record.outputs.clone());
                }
                _ => {
                    let error = failures.0.get(&action.action_key.to_string());
                    self.failed
                        .extend(error.map(|error| (action.node, error.clone())));
                }
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

/// Actions that failed when they were last tried, by their keys: nothing else remembers them.
#[derive(Default)]
pub struct Failures(HashMap<String, String>);

impl Failures {
    /// What the last runs of a pipeline say.
    pub fn of(store: &Store, pipeline: &str) -> Self {
        let folder = store.runs_folder();
        let past = past_runs(&folder).unwrap_or_default().into_iter().rev();
        let past = past.filter(|run| run.pipeline == pipeline).take(LOOKED_AT);
        let mut last: HashMap<String, Option<String>> = HashMap::new();
        for run in past {
            let record = fs::read(run.folder.join(RUN_FILE)).ok();
            let report = record.and_then(|bytes| serde_json::from_slice::<RunReport>(&bytes).ok());
            for stage in report.into_iter().flat_map(|report| report.stages) {
                if stage.seconds.is_some() || stage.outcome == Outcome::Failed {
                    last.entry(stage.key).or_insert(stage.error);
                }
            }
        }
        let failed = last.into_iter();
        Self(
            failed
                .filter_map(|(key, error)| Some((key, error?)))
                .collect(),
        )
    }
}

impl Results for Outcomes<'_> {
    fn metric(&self, graph: &Graph, node: NodeIndex, at: &MetricAt) -> Result<Metric, Missing> {
        let outputs = self.outputs.get(&node);
        let outputs = outputs.ok_or_else(|| self.missing(graph, node))?;
        let digest = outputs.get(&at.port);
        let digest =
            digest.ok_or_else(|| Missing::Failed(format!("there is no output `{}`", at.port)))?;
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
    let failures = match course.is_sweep() {
        true => Failures::of(store, &course.pipeline),
        false => Failures::default(),
    };
    while let Some(round) = course.next_round().map_err(Error::Invalid)? {
        if !course.comes_in_rounds() && course.trials().is_empty() {
            // A pipeline, or its seeds: nothing follows from results.
            break;
        }
        let options = PlanOptions {
            until: round.until.clone(),
            ..PlanOptions::default()
        };
        let plan = planned(course.graph(), store, &options)?;
        outcomes.stored(&plan, &failures);
        course.tell(&round, &outcomes);
    }
    Ok(outcomes)
}
