//! `runner table`: prints tables of results in the store: those of a pipeline, or its most important metrics.

pub(super) mod headline;

use std::collections::HashSet;

use clap::Args;
use contract::ShowPath;
use engine::error::Error;
use engine::graph::{Column, Graph, Row, Table as Declared};
use engine::plan::{Plan, PlanOptions, State, unused_processors};
use engine::run::Outcomes;
use engine::run::contrasts::Against;
use engine::run::failures::Failures;
use engine::run::measurements::Measurements;
use engine::run::planned;
use engine::run::replay::replay;
use engine::run::run_metrics::headlines;
use engine::spec::suggest;
use engine::sweep::Experiment;
use engine::wording;
use serde_json::json;

use self::headline::Headline;
use super::expectations::{self, ExpectationArgs};
use super::pipeline::{ANALYSIS, PipelineArgs, StoreArgs};
use super::{preflight, result_metrics, unwritten};
use crate::report::expectations::{Judgement, Judgements, list};
use crate::report::format::Format;
use crate::report::table::{object, render};
use crate::report::{Console, Verbosity, Warnings, markdown};

/// Print the pipeline's tables, or its most important metrics if it declares none, from the results in the store; for a
/// sweep, those of its best trial
#[derive(Debug, Args)]
pub(super) struct Table {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Print only this table; `expectations` means the list of expectations that no table of the pipeline shows
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    #[command(flatten)]
    expectations: ExpectationArgs,
    /// Row to compare the others with in each column of an `evaluate` stage, on the same test images: best,
    /// none, or the name of a row (`[best]` or `[none]` if a row has that name)
    #[arg(long, value_name = "ROW", default_value = "best")]
    compare: Against,
}

/// Name of the list of expectations that no table shows.
const EXPECTATIONS: &str = "expectations";

/// The tables and the expectations to print.
pub(super) struct Printed<'a> {
    pub tables: &'a [Declared],
    /// Expectations that no table shows.
    pub rest: Vec<&'a Judgement>,
}

impl Table {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let mut experiment = self.pipeline.experiment()?;
        self.expectations.check()?;
        let store = self.store.open()?;
        replay(&mut experiment, &store)?;
        let graph = experiment.graph();
        let plan = planned(graph, &store, &PlanOptions::default())?;
        let mut outcomes = Outcomes::new(&store);
        outcomes.stored(&plan, &Failures::default());
        let shown = experiment.shown();
        let results = Measurements::new(graph, &store, &outcomes.outputs, &shown, &[], ANALYSIS);
        let tables = tables(console, &experiment, &outcomes, &results);
        self.compare.check(&tables)?;
        let judgements = expectations::judge(&results);
        let mut printed = Printed {
            tables: &tables,
            rest: judgements.outside(&tables),
        };
        self.select(console, &mut printed, judgements.outside(&graph.tables))?;
        let junit = self.expectations.write_junit(&results, &judgements);
        let warnings = warnings(&results, &plan, printed.tables);
        print(
            console,
            &results,
            &judgements,
            &printed,
            self.format,
            &self.compare,
        )?;
        print_warnings(console, self.format, &warnings)?;
        result_metrics::warn_of_absent(console, &results);
        for diagnostic in &graph.warnings {
            console.message(&preflight::warning(diagnostic));
        }
        self.expectations
            .conclude(console, Ok(()), junit, &judgements)
    }

    /// Reduces what is printed to the chosen table, and to what fits into the format. `undeclared` are the expectations
    /// that no declared table shows.
    fn select<'a>(
        &self,
        console: &Console,
        printed: &mut Printed<'a>,
        undeclared: Vec<&'a Judgement>,
    ) -> Result<(), Error> {
        if let Some(name) = &self.table {
            let place = printed.tables.iter().position(|table| table.name == *name);
            match place {
                Some(place) => {
                    printed.tables = &printed.tables[place..=place];
                    printed.rest.clear();
                }
                None if name == EXPECTATIONS && !undeclared.is_empty() => {
                    *printed = Printed {
                        tables: &[],
                        rest: undeclared,
                    };
                }
                None => return Err(unknown(name, printed)),
            }
        }
        if self.format != Format::Csv {
            return Ok(());
        }
        let names = names(printed);
        let [_, _, ..] = names.as_slice() else {
            return Ok(());
        };
        if printed.tables.len() > 1 {
            return Err(Error::Usage(format!(
                "CSV has a single table; choose one with `--table NAME`: {}; or use `--format json`",
                suggest::quoted(&names)
            )));
        }
        console.message(&format!(
            "note: the table does not show all expectations; `--table {EXPECTATIONS}` prints the others"
        ));
        printed.rest.clear();
        Ok(())
    }
}

/// The declared tables, or else tables of the most important metrics.
fn tables(
    console: &Console,
    experiment: &Experiment,
    outcomes: &Outcomes<'_>,
    results: &Measurements<'_>,
) -> Vec<Declared> {
    let graph = results.graph;
    if !graph.tables.is_empty() {
        return graph.tables.clone();
    }
    let measured = headlines(experiment, results.store, &outcomes.outputs, usize::MAX).instances;
    let measured: Vec<_> = measured.iter().collect();
    let Headline { tables, left_out } = Headline::of(
        &measured,
        &results.instances_in_copy(),
        &results.fold_axes(),
    );
    let file = graph.file.shown();
    if tables.is_empty() && graph.expectations.is_empty() {
        let others = unused_processors(graph, results.store);
        let others = match others.is_empty() {
            true => String::new(),
            false => format!("; `--match any` also uses results of {}", others.join(", ")),
        };
        console.message(&format!(
            "{file} has no metrics yet; `runner run {file}` makes the results{others}"
        ));
    }
    if left_out > 0 && console.verbosity > Verbosity::Quiet {
        let more = wording::counted(left_out, "more metric");
        console.message(&format!("{more}: `runner metrics {file}`"));
    }
    tables
}

/// Names that `--table` accepts.
fn names<'a>(printed: &Printed<'a>) -> Vec<&'a str> {
    let names = printed.tables.iter().map(|table| table.name.as_str());
    let rest = (!printed.rest.is_empty()).then_some(EXPECTATIONS);
    suggest::distinct(names.chain(rest))
}

fn unknown(name: &str, printed: &Printed<'_>) -> Error {
    let hint = suggest::hint("tables", name, names(printed));
    let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
    Error::Usage(format!("there is no table `{name}`{hint}"))
}

/// The warnings about what tables show: those of their stages and of all ancestors.
fn warnings(results: &Measurements<'_>, plan: &Plan, tables: &[Declared]) -> Warnings {
    let graph: &Graph = results.graph;
    let cells = tables.iter().flat_map(|table| {
        let rows = table.rows.iter();
        rows.flat_map(move |row| table.columns.iter().map(move |column| row.stage_of(column)))
    });
    let measuring: HashSet<&str> = cells.collect();
    let shown = results.instances(|name| measuring.contains(name.stage.as_str()));
    let relevant = graph.with_ancestors(&shown);
    let cached: Vec<(String, &[String])> = plan
        .actions
        .iter()
        .filter(|action| relevant.contains(&action.node))
        .filter_map(|action| match &action.state {
            State::Cached(record) => Some((
                graph.stages[action.node].name.to_string(),
                &*record.warnings,
            )),
            _ => None,
        })
        .collect();
    Warnings::of(
        cached
            .iter()
            .map(|(name, warnings)| (name.as_str(), *warnings)),
    )
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

/// Prints tables with the contrasts of their rows, then expectations, separated by empty lines.
pub(super) fn print(
    console: &Console,
    results: &Measurements<'_>,
    judgements: &Judgements,
    Printed { tables, rest }: &Printed<'_>,
    format: Format,
    against: &Against,
) -> Result<(), Error> {
    let width = console.width();
    let mut has_contrasts = false;
    let (mut texts, mut objects) = (Vec::new(), Vec::new());
    for table in *tables {
        let cells = |row: &Row, column: &Column| results.cell(row, column);
        let contrasts = results.contrasts(table, against);
        has_contrasts |= !contrasts.is_empty();
        match format {
            Format::Json => objects.push(object(table, cells, judgements, &contrasts)),
            _ => texts.push(render(table, cells, judgements, &contrasts, format, width)),
        }
    }
    match format {
        Format::Json => {
            let all = json!({ "tables": objects, "expectations": list::objects(rest) });
            texts.push(format!("{all:#}\n"));
        }
        _ if rest.is_empty() => {}
        _ => texts.push(list::list(rest, format, width)),
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
