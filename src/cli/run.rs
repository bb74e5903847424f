use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::pipeline::{PipelineArgs, StoreArgs, find, planned};
use super::session::{RunOptions, Session};
use super::table::{self, Results};
use super::{status, unwritten};
use crate::error::Error;
use crate::executor::damaged_artifacts;
use crate::graph::Graph;
use crate::plan::{Force, Plan, PlanOptions, State};
use crate::report::Console;
use crate::report::logs::RunLog;
use crate::report::table::Format;
use crate::scheduler::{OnFailure, Slots};
use crate::spec::{Limits, Retries, parse_duration};
use crate::store::Store;

/// Run what is not in the store yet, and print the pipeline's tables
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// Say what would run, and why; run nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Cores to use [default: all]
    #[arg(short, long, value_name = "N", env = "RUNNER_JOBS", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Run STAGE although it is cached; without a STAGE, run everything
    #[arg(short, long, value_name = "STAGE", num_args = 0..=1, default_missing_value = "")]
    force: Vec<String>,
    /// After a failure go on with all that does not depend on it
    #[arg(
        short,
        long,
        env = "RUNNER_KEEP_GOING",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        value_parser = BoolishValueParser::new()
    )]
    keep_going: Option<bool>,
    /// Longest time a try at a stage may take that has no `timeout` of its own: 90s, 1h 30m
    #[arg(long, value_name = "TIME", env = "RUNNER_TIMEOUT", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Times to try a stage again that the system failed and that has no `retries` of its own: at once
    /// after a timeout, else after 1, 2, 4, … seconds
    #[arg(long, value_name = "N", env = "RUNNER_RETRIES", value_parser = clap::value_parser!(u32).range(..=100))]
    retries: Option<u32>,
    /// Start trainings over; without this they go on from their checkpoints
    #[arg(long)]
    no_resume: bool,
    /// Run only STAGE and what it needs
    #[arg(long, value_name = "STAGE")]
    until: Option<String>,
    /// Print one JSON object about the run, and no tables
    #[arg(long)]
    json: bool,
}

impl Run {
    pub fn execute(self, console: &Console, logs: &RunLog) -> Result<(), Error> {
        let graph = self.pipeline.load()?;
        let options = self.plan_options(&graph)?;
        let slots = self.slots(&graph)?;
        let store = self.store.open()?;
        // Until the session has said what this run needs, nothing else protects what is planned with.
        let guard = store.guard()?;
        let plan = sound_plan(&graph, &store, &options)?;
        if self.dry_run {
            return status::print(console, &graph, &plan, self.json);
        }
        preflight(&graph, &plan)?;

        let session = Session::begin(
            &graph,
            &plan,
            &store,
            self.pipeline.overrides.sets.clone(),
            console,
            logs,
        )?;
        drop(guard);
        let (execution, report) = session.execute(&RunOptions {
            slots,
            on_failure: self.on_failure(),
            limits: self.limits(),
            resume: !self.no_resume,
        })?;

        if self.json {
            let text =
                serde_json::to_string(&report).map_err(|e| Error::Internal(e.to_string()))?;
            console.result(&text).map_err(unwritten)?;
        } else {
            let results = Results {
                graph: &graph,
                store: &store,
                outputs: &execution.outputs,
            };
            table::print(console, &results, Format::Terminal)?;
        }
        session.verdict(&report)
    }

    fn plan_options(&self, graph: &Graph) -> Result<PlanOptions, Error> {
        let mut nodes = Vec::new();
        for name in self.force.iter().filter(|name| !name.is_empty()) {
            nodes.extend(find(graph, "--force", name)?);
        }
        let force = match self.force.as_slice() {
            [] => Force::None,
            names if names.iter().any(String::is_empty) => Force::All,
            _ => Force::Nodes(nodes),
        };
        let until = self
            .until
            .as_ref()
            .map(|name| find(graph, "--until", name))
            .transpose()?;
        Ok(PlanOptions { force, until })
    }

    /// Room for running stages; refuses a pipeline that can never have what it asks for.
    fn slots(&self, graph: &Graph) -> Result<Slots, Error> {
        let machine = Slots::of_this_machine();
        let slots = Slots {
            cpus: self.jobs.map_or(machine.cpus, usize::from),
            ..machine
        };
        for instance in graph.stages.node_weights() {
            let (name, wanted, have) = (&instance.name, instance.resources.gpus, slots.gpus);
            if wanted > have {
                return Err(Error::Usage(format!(
                    "`{name}` asks for more gpus than there are ({wanted} of {have}); set `-S stages.{}.resources.gpus={have}`",
                    name.stage
                )));
            }
        }
        Ok(slots)
    }

    fn limits(&self) -> Limits {
        Limits {
            timeout: self.timeout,
            memory: None,
            retries: self.retries.map(Retries::times),
        }
    }

    fn on_failure(&self) -> OnFailure {
        if self.keep_going == Some(true) {
            OnFailure::KeepGoing
        } else {
            OnFailure::Stop
        }
    }
}

/// A plan whose misses and tables find what they read undamaged. What is damaged is set aside, and
/// the stage that made it becomes a miss of the next plan.
fn sound_plan(graph: &Graph, store: &Store, options: &PlanOptions) -> Result<Plan, Error> {
    loop {
        let plan = planned(graph, store, options)?;
        if !damaged_artifacts(graph, &plan, store)? {
            return Ok(plan);
        }
    }
}

/// Asks every stage that may run whether its sources would make it fail.
fn preflight(graph: &Graph, plan: &Plan) -> Result<(), Error> {
    let misses = plan
        .actions
        .iter()
        .filter(|action| !matches!(action.state, State::Cached(_)));
    let mut diagnostics = Vec::new();
    for action in misses {
        if let Err(invalid) = graph.stages[action.node].stage.preflight() {
            diagnostics.push(graph.diagnose(action.node, &invalid));
        }
    }
    diagnostics.dedup();
    if diagnostics.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(diagnostics))
    }
}
