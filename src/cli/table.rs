use std::collections::HashMap;

use clap::Args;
use petgraph::graph::NodeIndex;
use stages::contract::{METRICS_FILE, Metric};

use super::expecting::{self, Expecting};
use super::pipeline::{PipelineArgs, StoreArgs, planned};
use super::{metrics, unwritten};
use crate::error::Error;
use crate::executor::Outputs;
use crate::graph::{self, Graph, Instance, PortMetric};
use crate::plan::{PlanOptions, State};
use crate::report::expectations::{Judgements, list};
use crate::report::table::{Cell, Format, render};
use crate::report::{Console, StageReport};
use crate::store::Store;

/// Print the pipeline's tables, with the results that are in the store
#[derive(Debug, Args)]
pub struct Table {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// How to write them
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    expecting: Expecting,
}

impl Table {
    pub fn execute(self, console: &Console) -> Result<(), Error> {
        let graph = self.pipeline.load()?;
        if graph.tables.is_empty() && graph.expectations.is_empty() {
            let file = graph.file.display();
            return Err(Error::Usage(format!(
                "`{file}` declares no tables; add some under `tables:`"
            )));
        }
        self.expecting.check()?;
        let store = self.store.open()?;
        let plan = planned(&graph, &store, &PlanOptions::default())?;
        let mut outputs = HashMap::new();
        for action in plan.actions {
            if let State::Cached(record) = action.state {
                outputs.insert(action.node, record.outputs);
            }
        }
        let results = Results {
            graph: &graph,
            store: &store,
            outputs: &outputs,
            stages: &[],
        };
        let judgements = expecting::judge(&results);
        let kept = self.expecting.keep(&results, &judgements);
        print(console, &results, &judgements, self.format)?;
        self.expecting.conclude(console, Ok(()), kept, &judgements)
    }
}

/// What there is to fill tables with.
pub struct Results<'a> {
    pub graph: &'a Graph,
    pub store: &'a Store,
    /// Of every stage that has some.
    pub outputs: &'a HashMap<NodeIndex, Outputs>,
    /// How each ended, if there was a run.
    pub stages: &'a [StageReport],
}

/// Prints every table of the pipeline, then the expectations that none shows, an empty line between two.
pub fn print(
    console: &Console,
    results: &Results<'_>,
    judgements: &Judgements,
    format: Format,
) -> Result<(), Error> {
    let tables = &results.graph.tables;
    let tables_text = tables.iter().map(|table| {
        let cells = |row: &str, column: &graph::Column| results.cell(&table.rows, row, column);
        render(table, cells, judgements, format)
    });
    let rest = judgements.beside(tables);
    let rest = (!rest.is_empty()).then(|| list(&rest, format));
    for (index, text) in tables_text.chain(rest).enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        console
            .result(&(gap.to_owned() + &text))
            .map_err(unwritten)?;
    }
    Ok(())
}

impl Results<'_> {
    fn cell(&self, axis: &str, row: &str, column: &graph::Column) -> Cell {
        let metric = PortMetric {
            port: None,
            name: column.metric.metric.clone(),
        };
        self.instance(axis, row, column)
            .and_then(|node| self.metric(node, &metric))
            .map_or_else(Cell::Missing, |metric| Cell::Value {
                value: metric.value,
                interval: metric.interval,
            })
    }

    /// The instance of a column's stage in a row.
    fn instance(&self, axis: &str, row: &str, column: &graph::Column) -> Result<NodeIndex, String> {
        let stages = &self.graph.stages;
        let is_meant = |node: &NodeIndex| {
            let name = &stages[*node].name;
            name.stage == column.metric.stage && name.axis(axis) == Some(row)
        };
        let mut nodes = stages.node_indices();
        nodes.find(is_meant).ok_or("no such stage".to_owned())
    }

    /// What an instance measured, or in a few words why there is nothing.
    pub fn metric(&self, node: NodeIndex, metric: &PortMetric) -> Result<Metric, String> {
        let instance = &self.graph.stages[node];
        let outputs = self.outputs.get(&node);
        let outputs = outputs.ok_or_else(|| self.why_nothing(instance))?;
        let port = metric.port.as_deref().or(instance.metrics_port());
        let digest = outputs.get(port.ok_or("no metrics")?).ok_or("not run")?;
        let metrics = metrics::read(self.store, digest)
            .and_then(|metrics| metrics.ok_or(format!("no file `{METRICS_FILE}`")))
            .inspect_err(|error| tracing::warn!("{}: {error}", instance.name))
            .map_err(|_| "damaged, run again".to_owned())?;
        let found = metrics.get(&metric.name).cloned();
        found.ok_or_else(|| format!("no metric `{}`", metric.name))
    }

    /// `failed`, `skipped`, or else `not run`.
    fn why_nothing(&self, instance: &Instance) -> String {
        let name = instance.name.to_string();
        let ended = self.stages.iter().find(|stage| stage.name == name);
        match ended.map(|stage| stage.outcome) {
            Some(outcome) if !outcome.has_outputs() => outcome.to_string(),
            _ => "not run".to_owned(),
        }
    }
}
