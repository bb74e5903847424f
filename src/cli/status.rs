//! `runner status`: shows the state of every stage.

use clap::Args;
use engine::error::Error;
use engine::graph::Graph;
use engine::plan::{Plan, PlanOptions, PlannedAction, State};
use engine::run::planned;
use engine::run::replay::known_graph;
use engine::wording;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::pipeline::{PipelineArgs, SourceArgs, StoreArgs};
use super::resources::ResourceArgs;
use super::run_notes::RunNotes;
use super::shared::Places;
use super::{preflight, unwritten};
use crate::report::Console;

/// Show which stages are cached, will run (and why), or wait; with --remote, whether results are here or in the shared
/// cache
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    resources: ResourceArgs,
    /// Exit with code 3 if a stage would run
    #[arg(long)]
    exit_code: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let experiment = self.pipeline.experiment()?;
        // With `--remote`, the plan shows what is here.
        let (store, remote) = match self.store.remote().is_typed() {
            true => {
                let store = self.sources.alone(&self.store)?;
                let remote = self.store.remote_of(&store)?;
                (store, Some(remote))
            }
            false => (self.sources.open(&self.store)?, None),
        };
        let graph = known_graph(experiment, Some(&store))?;
        let plan = planned(&graph, &store, &PlanOptions::default())?;
        let misses = plan.misses().map(|action| action.node);
        let findings = preflight::requests(&graph, misses, &self.resources);
        let notes = RunNotes::of(&graph, &plan, &store)?;
        let places = remote.map(|remote| Places::of(&plan, &remote));
        let places = places.transpose()?;
        let text = if self.json {
            let mut stages = objects(&graph, &plan);
            if let Some(places) = &places {
                places.add_to(&mut stages);
            }
            notes.add_to(&mut stages, &plan);
            json!({
                "pipeline": graph.pipeline,
                "stages": stages,
                "running": notes.running(),
                "refusals": findings.errors(),
                "warnings": findings.warnings,
            })
            .to_string()
        } else if let Some(places) = &places {
            let names = plan.actions.iter().map(|action| name(&graph, action));
            places.listing(&names.collect::<Vec<_>>())
        } else {
            listing(&graph, &plan, &notes)
        };
        console.result(&text).map_err(unwritten)?;
        preflight::print(console, &findings);
        if self.exit_code {
            verdict(&plan)
        } else {
            Ok(())
        }
    }
}

/// Returns an error if a stage of the plan is not cached.
pub(super) fn verdict(plan: &Plan) -> Result<(), Error> {
    match plan.misses().count() {
        0 => Ok(()),
        misses => Err(Error::WouldRun(format!(
            "{misses} of {} would run",
            wording::stages(plan.actions.len())
        ))),
    }
}

fn listing(graph: &Graph, plan: &Plan, notes: &RunNotes) -> String {
    let width = name_width(graph, plan);
    let mut text = String::new();
    for action in &plan.actions {
        let name = name(graph, action);
        text.push_str(&format!("{name:width$}  {}\n", notes.state(graph, action)));
    }
    text += &counts(plan);
    for line in notes.lines(graph, plan) {
        text += &format!("\n{line}");
    }
    text
}

/// Width of the longest name, in columns.
pub(super) fn name_width(graph: &Graph, plan: &Plan) -> usize {
    let names = plan.actions.iter().map(|action| name(graph, action));
    names.map(|name| name.width()).max().unwrap_or(0)
}

/// `3 stages: 2 cached, 1 will run, 0 waiting`.
pub(super) fn counts(plan: &Plan) -> String {
    let [mut cached, mut runs, mut waits] = [0; 3];
    for action in &plan.actions {
        *match action.state {
            State::Cached(_) => &mut cached,
            State::Runs(_) => &mut runs,
            State::Waits(_) => &mut waits,
        } += 1;
    }
    let stages = wording::stages(plan.actions.len());
    format!("{stages}: {cached} cached, {runs} will run, {waits} waiting")
}

/// A JSON object for each stage of a plan.
pub(super) fn objects(graph: &Graph, plan: &Plan) -> Vec<Value> {
    plan.actions
        .iter()
        .map(|action| {
            let (state, reason, upstream) = match &action.state {
                State::Cached(_) => ("cached", None, None),
                State::Runs(reason) => ("runs", Some(reason.to_string()), None),
                State::Waits(upstream) => (
                    "waits",
                    None,
                    Some(graph.stages[*upstream].name.to_string()),
                ),
            };
            let tools = action.fingerprint.tools.iter();
            let tools = tools.map(|(name, id)| (name.clone(), Value::from(id.to_string())));
            json!({
                "name": name(graph, action),
                "tools": tools.collect::<serde_json::Map<String, Value>>(),
                "state": state,
                "reason": reason,
                "waits_on": upstream,
                "key": action.action_key.to_string(),
            })
        })
        .collect()
}

/// The name of a stage instance.
pub(super) fn name(graph: &Graph, action: &PlannedAction) -> String {
    graph.stages[action.node].name.to_string()
}
