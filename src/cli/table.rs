mod comparisons;

use std::collections::HashMap;

use clap::Args;
use petgraph::graph::NodeIndex;
use stages::contract::{METRICS_FILE, Metrics};

use self::comparisons::comparisons;
use super::pipeline::{PipelineArgs, StoreArgs, planned};
use super::{metrics, unwritten};
use crate::error::Error;
use crate::executor::Outputs;
use crate::graph::{self, Graph};
use crate::plan::{PlanOptions, State};
use crate::report::Console;
use crate::report::table::{Cell, Format, render};
use crate::store::{Digest, Store};

pub use self::comparisons::Against;

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
    /// What to test the rows of each column of an `evaluate` stage against, on the same test images: its
    /// best row, a row by name, or none (`[none]` is a row of that name)
    #[arg(long, value_name = "ROW", default_value = "best")]
    compare: Against,
}

impl Table {
    pub fn execute(self, console: &Console) -> Result<(), Error> {
        let graph = self.pipeline.load()?;
        if graph.tables.is_empty() {
            let file = graph.file.display();
            return Err(Error::Usage(format!(
                "`{file}` declares no tables; add some under `tables:`"
            )));
        }
        self.compare.check(&graph)?;
        let store = self.store.open()?;
        let plan = planned(&graph, &store, &PlanOptions::default())?;
        let mut outputs = HashMap::new();
        for action in plan.actions {
            if let State::Cached(record) = action.state {
                outputs.insert(action.node, record.outputs);
            }
        }
        print(
            console,
            &Results {
                graph: &graph,
                store: &store,
                outputs: &outputs,
            },
            self.format,
            &self.compare,
        )
    }
}

/// What there is to fill tables with.
pub struct Results<'a> {
    pub graph: &'a Graph,
    pub store: &'a Store,
    /// Of every stage that has some.
    pub outputs: &'a HashMap<NodeIndex, Outputs>,
}

/// Prints every table of the pipeline, an empty line between two, its rows held against one of them.
pub fn print(
    console: &Console,
    results: &Results<'_>,
    format: Format,
    against: &Against,
) -> Result<(), Error> {
    let mut is_any_compared = false;
    for (index, table) in results.graph.tables.iter().enumerate() {
        let cells = |row: &str, column: &graph::Column| results.cell(&table.rows, row, column);
        let outputs = |row: &str, column: &graph::Column| {
            let output = results.output(&table.rows, row, column);
            output.into_iter().collect::<Vec<_>>()
        };
        let compared = comparisons(results.store, table, outputs, against);
        is_any_compared |= !compared.is_empty();
        let gap = if index == 0 { "" } else { "\n" };
        let text = gap.to_owned() + &render(table, cells, &compared, format);
        console.result(&text).map_err(unwritten)?;
    }
    if let (Against::Row(row), false) = (against, is_any_compared) {
        console.say(&format!(
            "nothing is compared with `{row}`: no column shows a measure of `evaluate` both of it and of another row"
        ));
    }
    Ok(())
}

impl Results<'_> {
    fn cell(&self, axis: &str, row: &str, column: &graph::Column) -> Cell {
        self.metrics(axis, row, column)
            .map_or_else(Cell::Missing, |metrics| {
                match metrics.get(&column.metric.metric) {
                    Some(metric) => Cell::Value {
                        value: metric.value,
                        interval: metric.interval,
                    },
                    None => Cell::Missing(format!("no metric `{}`", column.metric.metric)),
                }
            })
    }

    /// What the stage of a column measured in a row, or in a few words why there is nothing.
    fn metrics(&self, axis: &str, row: &str, column: &graph::Column) -> Result<Metrics, String> {
        let output = self.output(axis, row, column)?;
        metrics::read(self.store, &output)
            .and_then(|metrics| metrics.ok_or(format!("no file `{METRICS_FILE}`")))
            .inspect_err(|error| tracing::warn!("{}[{row}]: {error}", column.metric.stage))
            .map_err(|_| metrics::DAMAGED.to_owned())
    }

    /// The metrics artifact that the stage of a column made in a row.
    fn output(&self, axis: &str, row: &str, column: &graph::Column) -> Result<Digest, String> {
        let stages = &self.graph.stages;
        let is_meant = |node: &NodeIndex| {
            let name = &stages[*node].name;
            name.stage == column.metric.stage
                && name
                    .axes
                    .iter()
                    .any(|(name, value)| (name.as_str(), value.as_str()) == (axis, row))
        };
        let node = stages
            .node_indices()
            .find(is_meant)
            .ok_or("no such stage")?;
        let outputs = self.outputs.get(&node).ok_or("not run")?;
        let port = stages[node].metrics_port().ok_or("no metrics")?;
        Ok(*outputs.get(port).ok_or("not run")?)
    }
}
