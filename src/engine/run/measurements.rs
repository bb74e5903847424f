//! Measured values to fill tables with, and to compare with expectations.

use std::collections::{HashMap, HashSet};

use contract::analysis::{Analysis, Decision, Evaluation, Summary};
use contract::{METRICS_FILE, Metric};
use petgraph::graph::NodeIndex;

use super::contrasts::{Against, ColumnContrasts, contrasts, evaluation};
use super::metrics;
use crate::event::StageReport;
use crate::executor::Outputs;
use crate::graph::{
    Column, FOLD_AXIS, Graph, Instance, InstanceName, PortMetric, Row, SEED_AXIS, Table,
};
use store::Store;
use store::keys::Digest;

/// Content of a cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Value(Summary),
    /// Summary of the instances that have a value.
    Partial {
        summary: Summary,
        /// Number of all instances in the cell.
        of: usize,
        /// Reason why a value is missing: `failed`.
        why: String,
    },
    /// A short reason: `not run`, `failed`.
    Missing(String),
}

impl Cell {
    /// The summary of the values in the cell, if there are any.
    pub fn summary(&self) -> Option<&Summary> {
        match self {
            Self::Value(summary) | Self::Partial { summary, .. } => Some(summary),
            Self::Missing(_) => None,
        }
    }
}

/// Measured values of the instances that are shown.
pub struct Measurements<'a> {
    pub graph: &'a Graph,
    pub store: &'a Store,
    pub(super) analysis: &'a dyn Analysis,
    /// Outputs of every stage that has some.
    outputs: &'a HashMap<NodeIndex, Outputs>,
    /// The instances in all copies of the pipeline that are shown, copy by copy, without duplicates.
    shown: Vec<NodeIndex>,
    /// These copies of the pipeline.
    pub(super) copies: Vec<ShownCopy<'a>>,
    /// With folds: the positions in `copies` at which instances are. Empty without folds.
    pub(super) places: HashMap<NodeIndex, Vec<usize>>,
    /// The end of each stage; empty if there was no run.
    pub stages: &'a [StageReport],
}

/// A copy of the pipeline.
pub(super) struct ShownCopy<'a> {
    /// Its seed, if copies differ in it.
    pub(super) seed: Option<&'a str>,
    /// Its fold of a cross-validation.
    pub(super) fold: Option<&'a str>,
    pub(super) nodes: &'a [NodeIndex],
}

impl<'a> Measurements<'a> {
    /// Shows `copies` of the pipeline as one, because they differ only in their seed and fold.
    pub fn new(
        graph: &'a Graph,
        store: &'a Store,
        outputs: &'a HashMap<NodeIndex, Outputs>,
        copies: &[usize],
        stages: &'a [StageReport],
        analysis: &'a dyn Analysis,
    ) -> Self {
        let mut seen = HashSet::new();
        let copies: Vec<_> = copies
            .iter()
            .map(|&copy| {
                let copy = &graph.copies[copy];
                let label = |name: &str| {
                    let mut labels = copy.labels.iter();
                    let found = labels.find(|(axis, _)| axis == name);
                    found.map(|(_, value)| value.as_str())
                };
                ShownCopy {
                    seed: label(SEED_AXIS),
                    fold: label(FOLD_AXIS),
                    nodes: &copy.nodes,
                }
            })
            .collect();
        let mut places: HashMap<NodeIndex, Vec<usize>> = HashMap::new();
        for (place, copy) in copies.iter().enumerate() {
            for &node in copy.nodes.iter().filter(|_| copy.fold.is_some()) {
                places.entry(node).or_default().push(place);
            }
        }
        let nodes = copies.iter().flat_map(|copy| copy.nodes);
        Self {
            graph,
            store,
            outputs,
            shown: nodes.copied().filter(|&node| seen.insert(node)).collect(),
            copies,
            places,
            stages,
            analysis,
        }
    }

    /// The instances that match: one, or one for each seed and fold.
    pub fn instances(&self, is_meant: impl Fn(&InstanceName) -> bool) -> Vec<NodeIndex> {
        let nodes = self.shown.iter().copied();
        nodes
            .filter(|&node| is_meant(&self.graph.stages[node].name))
            .collect()
    }

    /// The instances in a cell of a table, seed by seed and fold by fold.
    pub fn in_cell(&self, row: &Row, column: &Column) -> Vec<NodeIndex> {
        self.in_row(row.stage_of(column), row)
    }

    /// The instances of a stage in a row of a table, seed by seed and fold by fold.
    pub fn in_row(&self, stage: &str, row: &Row) -> Vec<NodeIndex> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for copy in &self.copies {
            let shown = copy.nodes.iter().copied().filter(|&node| {
                let name = &self.graph.stages[node].name;
                name.stage == stage && row.shows(name, copy.seed, copy.fold)
            });
            found.extend(shown.filter(|&node| seen.insert(node)));
        }
        found
    }

    /// The instances that are shown, within one copy of the pipeline and without duplicates, in the order of the graph.
    pub fn instances_in_copy(&self) -> Vec<InstanceName> {
        let mut seen = HashSet::new();
        let names = self.shown.iter();
        let names = names.map(|&node| self.graph.stages[node].name.in_copy());
        names.filter(|name| seen.insert(name.clone())).collect()
    }

    /// The content of a cell of a table.
    pub fn cell(&self, row: &Row, column: &Column) -> Cell {
        let nodes = self.in_cell(row, column);
        if nodes.is_empty() {
            return Cell::Missing(self.why_empty().to_owned());
        }
        let metric = column.port_metric();
        if column.pools_folds
            && let Some(summary) = self.of_folds(&nodes, &metric)
        {
            return Cell::Value(summary);
        }
        let (mut found, mut results, mut why) = (Vec::new(), Vec::new(), None);
        for &node in &nodes {
            match self.metric(node, &metric) {
                Ok(result) => {
                    found.push(node);
                    results.push(result);
                }
                Err(reason) => why = why.or(Some(reason)),
            }
        }
        let evaluations = self.evaluations(&found);
        let summary = match column.mean.as_slice() {
            [] => self
                .analysis
                .summarize(&metric.name, &results, &evaluations),
            _ => self.mean(&metric.name, &results, &evaluations),
        };
        match (summary, why) {
            (Some(summary), None) => Cell::Value(summary),
            (Some(summary), Some(why)) => Cell::Partial {
                summary,
                of: nodes.len(),
                why,
            },
            (None, why) => Cell::Missing(why.unwrap_or_else(|| "not run".to_owned())),
        }
    }

    /// Summarizes results over an axis by their mean and standard deviation.
    ///
    /// There is no interval: values on an axis are not a random sample, and the trainings of different folds share
    /// images, so no unbiased estimate of the variance of their mean exists (Bengio and Grandvalet, 2004).
    fn mean(
        &self,
        metric: &str,
        results: &[Metric],
        evaluations: &[Evaluation],
    ) -> Option<Summary> {
        if results.len() < 2 {
            return self.analysis.summarize(metric, results, evaluations);
        }
        let values: Vec<f64> = results.iter().map(|result| result.value).collect();
        let mut summary = Summary {
            interval: None,
            ..self.analysis.spread(&values)?
        };
        let each = results.iter().zip(evaluations).filter_map(|(result, one)| {
            let (result, one) = (std::slice::from_ref(result), std::slice::from_ref(one));
            self.analysis.summarize(metric, result, one)
        });
        let each: Vec<Summary> = each.collect();
        if let Some(first) = each.first() {
            let is_same = each.iter().all(|one| one.positive == first.positive);
            summary.positive = first.positive.clone().filter(|_| is_same);
            summary.decision = common_decision(&each);
        }
        Some(summary)
    }

    /// The evaluations of instances, in their order; empty unless each of them is an evaluation.
    pub(super) fn evaluations(&self, nodes: &[NodeIndex]) -> Vec<Evaluation> {
        let read = |&node| {
            let output = self.output(node, None).ok()?;
            let read = evaluation(self.store, self.analysis, &output);
            read.inspect_err(|error| tracing::warn!("{error}")).ok()?
        };
        nodes
            .iter()
            .map(read)
            .collect::<Option<_>>()
            .unwrap_or_default()
    }

    /// Compares the rows of each column of `table` with one of them.
    pub fn contrasts(&self, table: &Table, against: &Against) -> Vec<ColumnContrasts> {
        let outputs = |row: &Row, column: &Column| self.outputs(row, column);
        contrasts(self.store, self.analysis, table, outputs, against)
    }

    /// The metrics artifacts of a cell for each seed: one, or those of all folds. Empty unless all of them exist.
    fn outputs(&self, row: &Row, column: &Column) -> Vec<Vec<Digest>> {
        let seeds = self.by_seed(&self.in_cell(row, column)).into_iter();
        let outputs = seeds.map(|folds| {
            let folds = folds.into_iter();
            folds.map(|node| self.output(node, None).ok()).collect()
        });
        outputs.collect::<Option<_>>().unwrap_or_default()
    }

    /// The values of a metric, one for each instance, or a short reason why something is missing.
    pub fn measured(
        &self,
        nodes: &[NodeIndex],
        metric: &PortMetric,
    ) -> Result<Vec<Metric>, String> {
        if nodes.is_empty() {
            return Err(self.why_empty().to_owned());
        }
        let metrics = nodes.iter().map(|&node| self.metric(node, metric));
        let (found, missing): (Vec<_>, Vec<_>) = metrics.partition(Result::is_ok);
        let mut why = missing.into_iter().filter_map(Result::err);
        match (why.next(), nodes.len()) {
            (None, _) => Ok(found.into_iter().flatten().collect()),
            (Some(why), _) if found.is_empty() => Err(why),
            (Some(why), all) => {
                let missing = all - found.len();
                let what = match self.places.is_empty() {
                    true => "seeds",
                    false => "values",
                };
                Err(format!("{missing} of {all} {what}: {why}"))
            }
        }
    }

    /// Returns why no instance matches.
    fn why_empty(&self) -> &'static str {
        // As long as a sweep has no best trial, it has no instances to show.
        match (self.shown.is_empty(), self.outputs.is_empty()) {
            (true, true) => "not run",
            (true, false) => "no best trial",
            (false, _) => "no such stage",
        }
    }

    fn metric(&self, node: NodeIndex, metric: &PortMetric) -> Result<Metric, String> {
        let output = self.output(node, metric.port.as_deref())?;
        let name = &self.graph.stages[node].name;
        let metrics = metrics::read(self.store, &output)
            .and_then(|metrics| metrics.ok_or(format!("no file `{METRICS_FILE}`")))
            .inspect_err(|error| tracing::warn!("{name}: {error}"))
            .map_err(|_| metrics::DAMAGED.to_owned())?;
        match metrics.get(&metric.name) {
            Some(found) if found.value.is_finite() => Ok(found.clone()),
            Some(_) => Err("undefined".to_owned()),
            None => Err(format!("no metric `{}`", metric.name)),
        }
    }

    /// The artifact on `port`, or on the first port with metrics.
    pub(super) fn output(&self, node: NodeIndex, port: Option<&str>) -> Result<Digest, String> {
        let instance = &self.graph.stages[node];
        let outputs = self.outputs.get(&node);
        let outputs = outputs.ok_or_else(|| self.why_missing(instance))?;
        let port = port.or(instance.metrics_port()).ok_or("no metrics")?;
        Ok(*outputs.get(port).ok_or("not run")?)
    }

    /// Returns why an instance has no outputs: `failed`, `skipped`, or else `not run`.
    fn why_missing(&self, instance: &Instance) -> String {
        let name = instance.name.to_string();
        let ended = self.stages.iter().find(|stage| stage.name == name);
        match ended.map(|stage| stage.outcome) {
            Some(outcome) if !outcome.has_outputs() => outcome.to_string(),
            _ => "not run".to_owned(),
        }
    }
}

/// The decision rule of all summaries; `None` if one has none or if they are about different classes.
fn common_decision(summaries: &[Summary]) -> Option<Decision> {
    let all = summaries.iter().map(|summary| summary.decision.as_ref());
    let all: Vec<&Decision> = all.collect::<Option<_>>()?;
    let class = &all.first()?.class;
    if all.iter().any(|decision| decision.class != *class) {
        return None;
    }
    let thresholds = || all.iter().flat_map(|decision| decision.thresholds);
    Some(Decision {
        class: class.clone(),
        thresholds: [
            thresholds().fold(f64::INFINITY, f64::min),
            thresholds().fold(f64::NEG_INFINITY, f64::max),
        ],
    })
}
