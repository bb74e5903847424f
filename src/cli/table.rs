//! `runner table`: prints the tables of a pipeline from the results in the store.

mod comparisons;

use contract::ShowPath;
use std::collections::HashSet;

use clap::Args;
use engine::error::Error;
use engine::graph::{self, Graph};
use engine::plan::{PlanOptions, State};
use engine::run::Outcomes;
use engine::run::planned;
use engine::run::replay::{Failures, replay};

use self::comparisons::comparisons;
use super::expecting::{self, Expecting};
use super::pipeline::{PipelineArgs, StoreArgs};
use super::results::Results;
use super::{preflight, unwritten};
use crate::report::expectations::{Judgements, list};
use crate::report::table::{Format, render};
use crate::report::{Console, Warnings, markdown};

pub use self::comparisons::Against;

/// Print the pipeline's tables from the results in the store; for a sweep, those of its best trial
#[derive(Debug, Args)]
pub struct Table {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    expecting: Expecting,
    /// Row that the others are tested against, on the same test images, in each column of an `evaluate`
    /// stage: best, the name of a row, or none (`[none]` for a row of that name)
    #[arg(long, value_name = "ROW", default_value = "best")]
    compare: Against,
}

impl Table {
    pub fn execute(self, console: &Console) -> Result<(), Error> {
        let mut course = self.pipeline.course()?;
        self.expecting.check()?;
        let store = self.store.open()?;
        replay(&mut course, &store)?;
        let shown = course.shown();
        let graph = course.into_graph();
        self.check(&graph)?;
        let plan = planned(&graph, &store, &PlanOptions::default())?;
        let mut outcomes = Outcomes::new(&store);
        outcomes.stored(&plan, &Failures::default());
        let results = Results::new(&graph, &store, &outcomes.outputs, &shown, &[]);
        let judgements = expecting::judge(&results);
        let kept = self.expecting.keep(&results, &judgements);
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
        for doubt in &graph.doubts {
            console.say(&preflight::warning(doubt));
        }
        self.expecting.conclude(console, Ok(()), kept, &judgements)
    }

    fn check(&self, graph: &Graph) -> Result<(), Error> {
        if graph.tables.is_empty() && graph.expectations.is_empty() {
            let file = graph.file.shown();
            return Err(Error::Usage(format!(
                "`{file}` declares no tables; add some under `tables:`"
            )));
        }
        self.compare.check(graph)
    }
}

/// The warnings about what tables show: those of their stages and of all ancestors.
fn warnings<'a>(
    results: &Results<'_>,
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

/// Prints warnings as part of a Markdown document, else to standard error as a run does.
fn print_warnings(console: &Console, format: Format, warnings: &Warnings) -> Result<(), Error> {
    for line in warnings.lines() {
        match format {
            Format::Markdown => console
                .result(&format!("\n{}", markdown::escaped(&line)))
                .map_err(unwritten)?,
            Format::Terminal | Format::Csv | Format::Json | Format::Latex => console.say(&line),
        }
    }
    Ok(())
}

/// Prints every table of the pipeline with the comparisons of its rows, then the expectations that no table
/// shows, separated by empty lines.
pub fn print(
    console: &Console,
    results: &Results<'_>,
    judgements: &Judgements,
    format: Format,
    against: &Against,
) -> Result<(), Error> {
    let tables = &results.graph.tables;
    let mut is_any_compared = false;
    let mut texts = Vec::new();
    for table in tables {
        let cells = |row: &str, column: &graph::Column| results.cell(&table.rows, row, column);
        let outputs = |row: &str, column: &graph::Column| results.outputs(&table.rows, row, column);
        let compared = comparisons(results.store, table, outputs, against);
        is_any_compared |= !compared.is_empty();
        texts.push(render(table, cells, judgements, &compared, format));
    }
    let rest = judgements.beside(tables);
    if !rest.is_empty() {
        texts.push(list(&rest, format));
    }
    for (index, text) in texts.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        console
            .result(&(gap.to_owned() + text))
            .map_err(unwritten)?;
    }
    if let (Against::Row(row), false) = (against, is_any_compared) {
        console.say(&format!(
            "nothing is compared with `{row}`: no column shows a measure of `evaluate` both of it and of another row"
        ));
    }
    Ok(())
}
