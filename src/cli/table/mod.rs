//! `runner table`: prints the tables of a pipeline from the results in the store.

use std::collections::HashSet;

use clap::Args;
use contract::ShowPath;
use engine::error::Error;
use engine::graph::{self, Graph, Row};
use engine::plan::{PlanOptions, State};
use engine::run::Outcomes;
use engine::run::contrasts::Against;
use engine::run::failures::Failures;
use engine::run::measurements::Measurements;
use engine::run::planned;
use engine::run::replay::replay;
use serde_json::json;

use super::expectations::{self, ExpectationArgs};
use super::pipeline::{ANALYSIS, PipelineArgs, StoreArgs};
use super::{preflight, result_metrics, unwritten};
use crate::report::expectations::{Judgements, list};
use crate::report::format::Format;
use crate::report::table::{object, render};
use crate::report::{Console, Warnings, markdown};

/// Print the pipeline's tables from the results in the store; for a sweep, those of its best trial
#[derive(Debug, Args)]
pub(super) struct Table {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    expectations: ExpectationArgs,
    /// Row to compare the others with in each column of an `evaluate` stage, on the same test images: best,
    /// none, or the name of a row (`[best]` or `[none]` if a row has that name)
    #[arg(long, value_name = "ROW", default_value = "best")]
    compare: Against,
}

impl Table {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let mut experiment = self.pipeline.experiment()?;
        self.expectations.check()?;
        let store = self.store.open()?;
        replay(&mut experiment, &store)?;
        let shown = experiment.shown();
        let graph = experiment.into_graph();
        self.check(&graph)?;
        let plan = planned(&graph, &store, &PlanOptions::default())?;
        let mut outcomes = Outcomes::new(&store);
        outcomes.stored(&plan, &Failures::default());
        let results = Measurements::new(&graph, &store, &outcomes.outputs, &shown, &[], ANALYSIS);
        let judgements = expectations::judge(&results);
        let junit = self.expectations.write_junit(&results, &judgements);
        let cached: Vec<(String, &[String])> = plan
            .actions
            .iter()
            .filter_map(|action| match &action.state {
                State::Cached(record) => Some((
                    graph.stages[action.node].name.to_string(),
                    &*record.warnings,
                )),
                _ => None,
            })
            .collect();
        let named = cached
            .iter()
            .map(|(name, warnings)| (name.as_str(), *warnings));
        let warnings = warnings(&results, named);
        print(console, &results, &judgements, self.format, &self.compare)?;
        print_warnings(console, self.format, &warnings)?;
        result_metrics::warn_of_absent(console, &results);
        for diagnostic in &graph.warnings {
            console.message(&preflight::warning(diagnostic));
        }
        self.expectations
            .conclude(console, Ok(()), junit, &judgements)
    }

    fn check(&self, graph: &Graph) -> Result<(), Error> {
        if graph.tables.is_empty() && graph.expectations.is_empty() {
            let file = graph.file.shown();
            return Err(Error::Usage(format!(
                "`{file}` declares no tables; add some under `tables:`, or list all metrics with `runner metrics \
                 {file}`"
            )));
        }
        self.compare.check(graph)
    }
}

/// The warnings about what tables show: those of their stages and of all ancestors.
fn warnings<'a>(
    results: &Measurements<'_>,
    stages: impl Iterator<Item = (&'a str, &'a [String])>,
) -> Warnings {
    let graph = results.graph;
    let columns = graph.tables.iter().flat_map(|table| &table.columns);
    let measuring: HashSet<&str> = columns.map(|column| column.metric.stage.as_str()).collect();
    let shown = results.instances(|name| measuring.contains(name.stage.as_str()));
    let relevant = graph.with_ancestors(&shown).into_iter();
    let relevant: HashSet<String> = relevant
        .map(|node| graph.stages[node].name.to_string())
        .collect();
    Warnings::of(stages.filter(|(name, _)| relevant.contains(*name)))
}

/// Prints warnings: with the format `md` as part of the document, otherwise to standard error as a run does.
fn print_warnings(console: &Console, format: Format, warnings: &Warnings) -> Result<(), Error> {
    for line in warnings.lines() {
        match format {
            Format::Markdown => console
                .result(&format!("\n{}", markdown::escaped(&line)))
                .map_err(unwritten)?,
            Format::Terminal | Format::Csv | Format::Json | Format::Latex => console.message(&line),
        }
    }
    Ok(())
}

/// Prints every table of the pipeline with the contrasts of its rows, then the expectations that no table
/// shows, separated by empty lines.
pub(super) fn print(
    console: &Console,
    results: &Measurements<'_>,
    judgements: &Judgements,
    format: Format,
    against: &Against,
) -> Result<(), Error> {
    let tables = &results.graph.tables;
    let mut has_contrasts = false;
    let (mut texts, mut objects) = (Vec::new(), Vec::new());
    for table in tables {
        let cells = |row: &Row, column: &graph::Column| results.cell(row, column);
        let contrasts = results.contrasts(table, against);
        has_contrasts |= !contrasts.is_empty();
        match format {
            Format::Json => objects.push(object(table, cells, judgements, &contrasts)),
            _ => texts.push(render(table, cells, judgements, &contrasts, format)),
        }
    }
    let rest = judgements.outside(tables);
    match format {
        Format::Json => {
            let all = json!({ "tables": objects, "expectations": list::objects(&rest) });
            texts.push(format!("{all:#}\n"));
        }
        _ if rest.is_empty() => {}
        _ => texts.push(list::list(&rest, format)),
    }
    for (index, text) in texts.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        console
            .result(&(gap.to_owned() + text))
            .map_err(unwritten)?;
    }
    if let (Against::Row(row), false) = (against, has_contrasts) {
        console.message(&format!(
            "no row is compared with `{row}`: no column has a metric of `evaluate` for `{row}` and for \
             another row"
        ));
    }
    Ok(())
}
