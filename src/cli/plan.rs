//! `runner plan`: shows what would run, with estimates, and saves plans.

use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use clap::Args;
use engine::error::Error;
use engine::forecast::preflight::{Findings, check};
use engine::forecast::{Estimate, Forecast, Machine, RecordScope, forecast};
use engine::graph::Graph;
use engine::plan;
use engine::run::replay::known_graph;
use engine::run::{planned, saved_plan};
use engine::wording;
use serde_json::{Value, json};
use store::Store;

use super::pipeline::{Overrides, PipelineArgs, SourceArgs, StoreArgs, catalogue};
use super::resources::ResourceArgs;
use super::selection::Selection;
use super::{preflight, status, unwritten};
use crate::report::Console;

/// Show which stages are cached, will run (and why), or wait, with estimates of time, memory and disk
#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    resources: ResourceArgs,
    /// Save the plan to FILE, for `runner run --plan FILE`
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit with code 3 if a stage would run
    #[arg(long)]
    exit_code: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A plan in a file, with the options that it was made with.
pub(super) type SavedPlan = saved_plan::SavedPlan<Overrides, Selection>;

/// Reads the plan that `runner plan --out FILE` saved.
///
/// # Errors
/// If `file` cannot be read, or is not an unchanged saved plan.
pub(super) fn read_plan(file: &Path) -> Result<SavedPlan, Error> {
    let mut saved = SavedPlan::read(file)?;
    saved.overrides.is_from_plan = true;
    Ok(saved)
}

impl Plan {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let experiment = self.pipeline.experiment()?;
        let in_rounds = experiment.has_several_rounds();
        if in_rounds && self.out.is_some() {
            let message = "the plan of this sweep cannot be saved: the sweep runs in rounds, and each \
                           round depends on the results of the round before";
            return Err(Error::Usage(message.to_owned()));
        }
        let store = self.sources.open(&self.store)?;
        let graph = known_graph(experiment, Some(&store))?;
        let options = self.selection.options(&graph)?;
        let plan = planned(&graph, &store, &options)?;
        print(console, &graph, &plan, &store, &self.resources, self.json)?;
        if let Some(out) = &self.out {
            let PipelineArgs { file, overrides } = &self.pipeline;
            SavedPlan::new(file, overrides, &self.selection, &graph, &plan).write(out)?;
        }
        if self.exit_code {
            status::verdict(&plan)
        } else {
            Ok(())
        }
    }
}

/// Prints the state of every stage of a plan with estimates, and the warnings and errors that a run would
/// have.
pub(super) fn print(
    console: &Console,
    graph: &Graph,
    plan: &plan::Plan,
    store: &Store,
    resources: &ResourceArgs,
    json: bool,
) -> Result<(), Error> {
    let machine = Machine::current(store.root());
    let capacity = resources.capacity(graph, &machine);
    let forecast = forecast(
        graph,
        plan,
        store,
        catalogue().parse,
        &capacity,
        RecordScope::All,
    );
    let findings = check(graph, plan, &forecast, &capacity, &machine);
    let text = if json {
        object(graph, plan, &forecast, &findings).to_string()
    } else {
        listing(graph, plan, &forecast)
    };
    console.result(&text).map_err(unwritten)?;
    preflight::print(console, &findings);
    Ok(())
}

fn listing(graph: &Graph, plan: &plan::Plan, forecast: &Forecast) -> String {
    let width = status::name_width(graph, plan);
    let time = |estimate: Option<&Estimate>| match estimate {
        None => String::new(),
        Some(estimate) => estimate.seconds.map_or("?".to_owned(), wording::about),
    };
    let times: Vec<String> = plan
        .actions
        .iter()
        .map(|action| time(forecast.stages.get(&action.node)))
        .collect();
    let column = times.iter().map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for (action, time) in plan.actions.iter().zip(&times) {
        let name = status::name(graph, action);
        let state = status::state(graph, action);
        let gap = if column == 0 { "" } else { "  " };
        text.push_str(&format!("{name:width$}{gap}{time:>column$}  {state}\n"));
    }
    text.push_str(&status::counts(plan));
    if let Some(devices) = graph.devices().filter(|_| forecast.totals.stages > 0) {
        text.push_str(&format!("\ndevice: {devices}"));
    }
    if forecast.totals.stages > 0 {
        text.push_str(&format!("\n{}", totals(forecast)));
    }
    text
}

/// `about 42 min (26 of 30 stages known); memory: 1.2 GiB; disk: 800.0 MiB`.
pub(super) fn totals(forecast: &Forecast) -> String {
    let totals = &forecast.totals;
    let of = format!(
        "{} of {} known",
        totals.known,
        wording::stages(totals.stages)
    );
    let mut text = match totals.seconds {
        None => "time: not known until similar stages have run".to_owned(),
        Some(seconds) if totals.known == totals.stages => wording::about_in_words(seconds),
        Some(seconds) => format!("{} ({of})", wording::about_in_words(seconds)),
    };
    let size = |bytes: u64| ByteSize::b(bytes).display().iec().to_string();
    if let Some(bytes) = totals.memory_bytes {
        text.push_str(&format!("; memory: {}", size(bytes)));
    }
    if let Some(bytes) = totals.output_bytes {
        text.push_str(&format!("; disk: {}", size(bytes)));
    }
    text
}

fn object(graph: &Graph, plan: &plan::Plan, forecast: &Forecast, findings: &Findings) -> Value {
    let mut stages = status::objects(graph, plan);
    for (stage, action) in stages.iter_mut().zip(&plan.actions) {
        stage["estimate"] = forecast.stages.get(&action.node).map_or(Value::Null, |e| {
            json!({
                "seconds": e.seconds,
                "cpu_seconds": e.cpu_seconds,
                "memory_bytes": e.memory,
                "least_memory_bytes": e.work.memory.map(|memory| memory.least),
                "output_bytes": e.output_bytes,
                "basis": e.basis,
                "parameters": e.work.parameters,
                "operations": e.work.amount.map(|amount| amount.count),
            })
        });
    }
    json!({
        "pipeline": graph.pipeline,
        "device": graph.devices(),
        "stages": stages,
        "totals": forecast.totals,
        "refusals": findings.errors(),
        "warnings": findings.warnings,
    })
}
