use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use jiff::Timestamp;

use super::pipeline::{PipelineArgs, StoreArgs, find, planned};
use super::table::{self, Results};
use super::{status, unwritten};
use crate::error::Error;
use crate::executor::{self, Execution, Interrupt, Workers, damaged_inputs};
use crate::graph::Graph;
use crate::plan::{Force, Plan, PlanOptions, State};
use crate::report::bars::Bars;
use crate::report::event::RunState;
use crate::report::lines::Lines;
use crate::report::logs::RunLog;
use crate::report::record::{EventLog, write_run};
use crate::report::table::Format;
use crate::report::{Console, Event, Reporter, RunId, RunReport, Verbosity, wording};
use crate::scheduler::{Counts, OnFailure, Slots};
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
    #[arg(short, long)]
    keep_going: bool,
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
        let plan = sound_plan(&graph, &store, &options)?;
        if self.dry_run {
            return status::print(console, &graph, &plan, self.json);
        }
        preflight(&graph, &plan)?;

        let session = Session::begin(&self, &graph, &plan, &store, console, logs)?;
        let (execution, report) = session.execute(slots, self.on_failure())?;

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
            let (name, gpus) = (&instance.name, instance.resources.gpus);
            if gpus > slots.gpus {
                let have = slots.gpus;
                return Err(Error::Usage(format!(
                    "`{name}` asks for {gpus} gpus and this runner has {have}; set `stages.{}.resources.gpus=0`",
                    name.stage
                )));
            }
        }
        Ok(slots)
    }

    fn on_failure(&self) -> OnFailure {
        if self.keep_going {
            OnFailure::KeepGoing
        } else {
            OnFailure::Stop
        }
    }
}

/// A plan whose misses find their inputs undamaged. A damaged input is set aside, and the stage that
/// made it becomes a miss of the next plan.
fn sound_plan(graph: &Graph, store: &Store, options: &PlanOptions) -> Result<Plan, Error> {
    loop {
        let plan = planned(graph, store, options)?;
        if !damaged_inputs(graph, &plan, store)? {
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

/// A run from its first to its last event, with its folder.
struct Session<'a> {
    graph: &'a Graph,
    plan: &'a Plan,
    store: &'a Store,
    console: &'a Console,
    folder: PathBuf,
    reporter: Arc<Reporter>,
    workers: Arc<Workers>,
    interrupt: Interrupt,
    started: Instant,
    /// As it was at the start.
    report: RunReport,
}

impl<'a> Session<'a> {
    fn begin(
        run: &Run,
        graph: &'a Graph,
        plan: &'a Plan,
        store: &'a Store,
        console: &'a Console,
        logs: &RunLog,
    ) -> Result<Self, Error> {
        let (now, runs) = (Timestamp::now(), store.runs_folder());
        let (id, folder) =
            RunId::claim(&runs, now).map_err(Error::io("create a folder in", &runs))?;
        logs.open(&folder).map_err(Error::io("write to", &folder))?;
        let mut reporter = Reporter::default();
        reporter.add(EventLog::create(&folder).map_err(Error::io("write to", &folder))?);
        if console.is_live() {
            reporter.add(Bars::new(console.clone()));
        } else {
            reporter.add(Lines::new(console.clone()));
        }
        let (reporter, workers) = (Arc::new(reporter), Arc::new(Workers::default()));
        let told = Arc::clone(&reporter);
        let interrupt = Interrupt::watch(Arc::clone(&workers), move |signal| {
            told.send(&Event::Interrupted { signal })
        })
        .map_err(|e| Error::System(format!("failed to watch for signals: {e}")))?;
        let report = RunReport {
            run: id.to_string(),
            pipeline: graph.pipeline.clone(),
            file: graph.file.display().to_string(),
            profile: graph.profile.clone(),
            sets: run.pipeline.overrides.sets.clone(),
            runner: env!("CARGO_PKG_VERSION").to_owned(),
            started: now.to_string(),
            finished: None,
            seconds: 0.0,
            state: RunState::Running,
            counts: Counts::default(),
            stages: Vec::new(),
        };
        write_run(&folder, &report).map_err(Error::io("write to", &folder))?;
        let started = Instant::now();
        Ok(Self {
            graph,
            plan,
            store,
            console,
            folder,
            reporter,
            workers,
            interrupt,
            started,
            report,
        })
    }

    fn execute(
        &self,
        slots: Slots,
        on_failure: OnFailure,
    ) -> Result<(Execution, RunReport), Error> {
        let is_cached = |state: &State| matches!(state, State::Cached(_));
        self.reporter.send(&Event::RunStarted {
            run: self.report.run.clone(),
            pipeline: self.graph.pipeline.clone(),
            stages: self.plan.actions.len(),
            cached: self
                .plan
                .actions
                .iter()
                .filter(|action| is_cached(&action.state))
                .count(),
        });
        let options = executor::Options {
            slots,
            on_failure,
            folder: &self.folder,
        };
        let execution = executor::execute(
            self.graph,
            self.plan,
            self.store,
            &self.workers,
            &self.reporter,
            &options,
        );

        let counts: Counts = execution.stages.iter().map(|stage| stage.outcome).collect();
        let seconds = self.started.elapsed().as_millis() as f64 / 1e3;
        self.reporter.send(&Event::RunEnded { counts, seconds });
        let report = RunReport {
            finished: Some(Timestamp::now().to_string()),
            seconds,
            state: match (self.interrupt.signal(), counts.failed) {
                (Some(_), _) => RunState::Cancelled,
                (None, 0) => RunState::Succeeded,
                (None, _) => RunState::Failed,
            },
            counts,
            stages: execution.stages.clone(),
            ..self.report.clone()
        };
        write_run(&self.folder, &report).map_err(Error::io("write to", &self.folder))?;
        if self.console.verbosity > Verbosity::Quiet {
            let latest = self.store.root().join("latest").join(&self.graph.pipeline);
            self.console.say(&format!(
                "outputs: {}; this run: {}",
                latest.display(),
                self.folder.display()
            ));
        }
        Ok((execution, report))
    }

    /// What the run as a whole comes to.
    fn verdict(&self, report: &RunReport) -> Result<(), Error> {
        match (self.interrupt.signal(), report.counts.failed) {
            (Some(signal), _) => Err(Error::Interrupted(signal)),
            (None, 0) => Ok(()),
            (None, failed) => Err(Error::StagesFailed(wording::stages(failed))),
        }
    }
}
