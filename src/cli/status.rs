use clap::Args;
use serde_json::{Value, json};

use super::pipeline::{PipelineArgs, StoreArgs, planned};
use super::unwritten;
use crate::error::Error;
use crate::graph::Graph;
use crate::plan::{Plan, PlanOptions, PlannedAction, State};
use crate::report::{Console, wording};

/// Say of each stage whether it is cached, will run (and why), or waits on another
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Status {
    pub fn execute(self, console: &Console) -> Result<(), Error> {
        let graph = self.pipeline.load()?;
        let store = self.store.open()?;
        let plan = planned(&graph, &store, &PlanOptions::default())?;
        print(console, &graph, &plan, self.json)
    }
}

/// Prints what is to become of every stage of a plan.
pub fn print(console: &Console, graph: &Graph, plan: &Plan, json: bool) -> Result<(), Error> {
    let text = if json {
        object(graph, plan).to_string()
    } else {
        listing(graph, plan)
    };
    console.result(&text).map_err(unwritten)
}

fn listing(graph: &Graph, plan: &Plan) -> String {
    let names: Vec<String> = plan
        .actions
        .iter()
        .map(|action| name(graph, action))
        .collect();
    let width = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    let [mut cached, mut runs, mut waits] = [0; 3];
    let mut text = String::new();
    for (name, action) in names.iter().zip(&plan.actions) {
        let (count, state) = match &action.state {
            State::Cached(_) => (&mut cached, "cached".to_owned()),
            State::Runs(reason) => (&mut runs, format!("will run: {reason}")),
            State::Waits(upstream) => (
                &mut waits,
                format!("waits on {}", graph.stages[*upstream].name),
            ),
        };
        *count += 1;
        text.push_str(&format!("{name:width$}  {state}\n"));
    }
    let stages = wording::stages(plan.actions.len());
    text + &format!("{stages}: {cached} cached, {runs} will run, {waits} waiting")
}

fn object(graph: &Graph, plan: &Plan) -> Value {
    let stages: Vec<Value> = plan
        .actions
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
            json!({
                "name": name(graph, action),
                "state": state,
                "reason": reason,
                "waits_on": upstream,
                "key": action.action_key.to_string(),
            })
        })
        .collect();
    json!({ "pipeline": graph.pipeline, "stages": stages })
}

fn name(graph: &Graph, action: &PlannedAction) -> String {
    graph.stages[action.node].name.to_string()
}
