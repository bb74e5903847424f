//! `runner plan`: shows what would run, with estimates, and saves plans.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use clap::Args;
use engine::error::Error;
use engine::forecast::preflight::{Findings, check};
use engine::forecast::{Estimate, Forecast, Machine, RecordScope, forecast};
use engine::graph::Graph;
use engine::launch::SlurmRequests;
use engine::plan;
use engine::run::replay::known_graph;
use engine::run::{planned, saved_plan};
use engine::spec::Executor;
use engine::wording;
use serde_json::{Value, json};
use store::Store;

use super::pipeline::{Overrides, PipelineArgs, SourceArgs, StoreArgs, catalogue};
use super::resources::ResourceArgs;
use super::run_notes::RunNotes;
use super::selection::Selection;
use super::shared::Share;
use super::{executors, output_file, preflight, status, unwritten};
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
        if let Some(out) = &self.out {
            output_file::PLAN.check(out)?;
        }
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
    let mut forecast = forecast(
        graph,
        plan,
        store,
        catalogue().parse,
        &capacity,
        RecordScope::All,
    );
    let notes = RunNotes::of(graph, plan, store)?;
    forecast.resume(&notes.points, graph, plan, &capacity);
    let requests = executors::slurm_requests(graph, plan);
    let refused = requests.refusals.clone();
    let findings = check(graph, plan, &forecast, &capacity, &machine, refused);
    let share = Share::of(plan, store)?;
    let text = if json {
        let mut object = object(graph, plan, &forecast, &findings, &notes);
        object["slurm_requests"] = json!(requests.options);
        object["remote"] = share.map_or(Value::Null, Share::object);
        object.to_string()
    } else {
        let text = listing(graph, plan, &forecast, &notes, &requests);
        let share = share.and_then(Share::text);
        share.map_or(text.clone(), |share| format!("{text}\n{share}"))
    };
    console.result(&text).map_err(unwritten)?;
    preflight::print(console, &findings);
    Ok(())
}

fn listing(
    graph: &Graph,
    plan: &plan::Plan,
    forecast: &Forecast,
    notes: &RunNotes,
    requests: &SlurmRequests,
) -> String {
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
        let state = notes.state(graph, action);
        let gap = if column == 0 { "" } else { "  " };
        text.push_str(&format!("{name:width$}{gap}{time:>column$}  {state}\n"));
    }
    text.push_str(&status::counts(plan));
    if let Some(devices) = graph.devices().filter(|_| forecast.totals.stages > 0) {
        text.push_str(&format!("\ndevice: {devices}"));
    }
    for (executor, count) in elsewhere(graph, plan) {
        text.push_str(&format!("\n{executor}: {}", wording::stages(count)));
        if *executor == Executor::Slurm {
            text.push_str(&requested(requests));
        }
    }
    if forecast.totals.stages > 0 {
        text.push_str(&format!("\n{}", totals(forecast)));
    }
    for line in notes.lines(graph, plan) {
        text.push_str(&format!("\n{line}"));
    }
    text
}

/// The options of `sbatch` for the stages: `, each with --cpus-per-task=2`, or a line for each kind of request.
fn requested(requests: &SlurmRequests) -> String {
    if let [options] = requests.options.keys().collect::<Vec<_>>()[..] {
        return format!(", each with {options}");
    }
    let lines = requests.options.iter();
    let lines = lines.map(|(options, count)| format!("\n  {}: {options}", wording::stages(*count)));
    lines.collect()
}

/// Returns the numbers of stages to run on other machines.
fn elsewhere<'a>(graph: &'a Graph, plan: &plan::Plan) -> BTreeMap<&'a Executor, usize> {
    let mut counts = BTreeMap::new();
    for action in plan.misses() {
        let executor = &graph.stages[action.node].executor;
        if !executor.is_local() {
            *counts.entry(executor).or_default() += 1;
        }
    }
    counts
}

/// `about 42 min; memory: 1.2 GiB; disk: 800.0 MiB`, or what is not known: `at least 3 s: 5 of 8 stages have never
/// finished here; disk: at least 800.0 MiB`.
pub(super) fn totals(forecast: &Forecast) -> String {
    let totals = &forecast.totals;
    let unknown = totals.stages - totals.known;
    let never = format!(
        "{unknown} of {} {} never finished here",
        wording::stages(totals.stages),
        if unknown == 1 { "has" } else { "have" }
    );
    let mut text = match totals.seconds {
        Some(seconds) if unknown == 0 => wording::about_in_words(seconds),
        Some(seconds) if seconds >= 0.95 => {
            format!("at least {}: {never}", wording::about(seconds))
        }
        _ => format!("time unknown: {never}"),
    };
    let size = |what: &str, bytes: Option<u64>, known: usize| {
        let least = if known < totals.stages {
            "at least "
        } else {
            ""
        };
        let size = |bytes| ByteSize::b(bytes).display().iec().to_string();
        bytes.map_or(String::new(), |bytes| {
            format!("; {what}: {least}{}", size(bytes))
        })
    };
    text += &size("memory", totals.memory_bytes, totals.known_memory);
    text += &size("disk", totals.output_bytes, totals.known_output);
    text
}

fn object(
    graph: &Graph,
    plan: &plan::Plan,
    forecast: &Forecast,
    findings: &Findings,
    notes: &RunNotes,
) -> Value {
    let mut stages = status::objects(graph, plan);
    notes.add_to(&mut stages, plan);
    for (stage, action) in stages.iter_mut().zip(&plan.actions) {
        stage["executor"] = json!(graph.stages[action.node].executor);
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
        "running": notes.running(),
        "stages": stages,
        "totals": forecast.totals,
        "refusals": findings.errors(),
        "warnings": findings.warnings,
    })
}
