//! Measured values to fill tables with, and to compare with expectations.

use std::collections::{HashMap, HashSet};

use contract::analysis::{Analysis, Evaluation, Summary};
use contract::{METRICS_FILE, Metric};
use petgraph::graph::NodeIndex;

use super::contrasts::{Against, ColumnContrasts, contrasts, evaluation};
use super::metrics;
use crate::event::StageReport;
use crate::executor::Outputs;
use crate::graph::{Column, Graph, Instance, InstanceName, PortMetric, Table};
use store::Store;
use store::keys::Digest;

/// Content of a cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Value(Summary),
    /// A short reason: `not run`, `failed`.
    Missing(String),
}

/// Measured values of the instances that are shown.
pub struct Measurements<'a> {
    pub graph: &'a Graph,
    pub store: &'a Store,
    analysis: &'a dyn Analysis,
    /// Outputs of every stage that has some.
    outputs: &'a HashMap<NodeIndex, Outputs>,
    /// The instances in all copies of the pipeline that are shown, copy by copy, without duplicates.
    shown: Vec<NodeIndex>,
    /// How each stage ended; empty if there was no run.
    pub stages: &'a [StageReport],
}

impl<'a> Measurements<'a> {
    /// Shows `copies` of the pipeline as one, because they differ only in their seed.
    pub fn new(
        graph: &'a Graph,
        store: &'a Store,
        outputs: &'a HashMap<NodeIndex, Outputs>,
        copies: &[usize],
        stages: &'a [StageReport],
        analysis: &'a dyn Analysis,
    ) -> Self {
        let mut seen = HashSet::new();
        let nodes = copies.iter().flat_map(|&copy| &graph.copies[copy].nodes);
        Self {
            graph,
            store,
            outputs,
            shown: nodes.copied().filter(|&node| seen.insert(node)).collect(),
            stages,
            analysis,
        }
    }

    /// The instances that match: one, or one for each seed.
    pub fn instances(&self, is_meant: impl Fn(&InstanceName) -> bool) -> Vec<NodeIndex> {
        let nodes = self.shown.iter().copied();
        nodes
            .filter(|&node| is_meant(&self.graph.stages[node].name))
            .collect()
    }

    /// The instances of a column's stage in a row.
    fn in_cell(&self, axis: &str, row: &str, column: &Column) -> Vec<NodeIndex> {
        self.instances(|name| name.stage == column.metric.stage && name.axis(axis) == Some(row))
    }

    /// The content of a cell of a table.
    pub fn cell(&self, axis: &str, row: &str, column: &Column) -> Cell {
        let metric = PortMetric {
            port: None,
            name: column.metric.metric.clone(),
        };
        let nodes = self.in_cell(axis, row, column);
        let summarized = self.measured(&nodes, &metric).and_then(|results| {
            let summary =
                self.analysis
                    .summarize(&metric.name, &results, &self.evaluations(&nodes));
            summary.ok_or("not run".to_owned())
        });
        summarized.map_or_else(Cell::Missing, Cell::Value)
    }

    /// The evaluations of instances, in their order; empty unless each of them is an evaluation.
    fn evaluations(&self, nodes: &[NodeIndex]) -> Vec<Evaluation> {
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
        let outputs = |row: &str, column: &Column| self.outputs(&table.rows, row, column);
        contrasts(self.store, self.analysis, table, outputs, against)
    }

    /// The metrics artifacts of a cell, one for each seed; empty unless all of them exist.
    fn outputs(&self, axis: &str, row: &str, column: &Column) -> Vec<Digest> {
        let nodes = self.in_cell(axis, row, column).into_iter();
        let outputs = nodes.map(|node| self.output(node, None).ok());
        outputs.collect::<Option<_>>().unwrap_or_default()
    }

    /// The values of a metric, one for each instance, or a short reason why something is missing.
    pub fn measured(
        &self,
        nodes: &[NodeIndex],
        metric: &PortMetric,
    ) -> Result<Vec<Metric>, String> {
        if nodes.is_empty() {
            // As long as a sweep has no best trial, it has no instances to show.
            let is_open = self.shown.is_empty();
            let why = if is_open { "not run" } else { "no such stage" };
            return Err(why.to_owned());
        }
        let metrics = nodes.iter().map(|&node| self.metric(node, metric));
        let (found, missing): (Vec<_>, Vec<_>) = metrics.partition(Result::is_ok);
        let mut why = missing.into_iter().filter_map(Result::err);
        match (why.next(), nodes.len()) {
            (None, _) => Ok(found.into_iter().flatten().collect()),
            (Some(why), _) if found.is_empty() => Err(why),
            (Some(why), seeds) => {
                let missing = seeds - found.len();
                Err(format!("{missing} of {seeds} seeds: {why}"))
            }
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
    fn output(&self, node: NodeIndex, port: Option<&str>) -> Result<Digest, String> {
        let instance = &self.graph.stages[node];
        let outputs = self.outputs.get(&node);
        let outputs = outputs.ok_or_else(|| self.why_missing(instance))?;
        let port = port.or(instance.metrics_port()).ok_or("no metrics")?;
        Ok(*outputs.get(port).ok_or("not run")?)
    }

    /// Why an instance has no outputs: `failed`, `skipped`, or else `not run`.
    fn why_missing(&self, instance: &Instance) -> String {
        let name = instance.name.to_string();
        let ended = self.stages.iter().find(|stage| stage.name == name);
        match ended.map(|stage| stage.outcome) {
            Some(outcome) if !outcome.has_outputs() => outcome.to_string(),
            _ => "not run".to_owned(),
        }
    }
}
