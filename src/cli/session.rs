use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use crate::error::Error;
use crate::executor::{self, Execution, Interrupt, Workers};
use crate::graph::Graph;
use crate::plan::{Plan, State};
use crate::report::bars::Bars;
use crate::report::event::RunState;
use crate::report::history::{PlannedStage, write_plan};
use crate::report::lines::Lines;
use crate::report::logs::RunLog;
use crate::report::record::{EventLog, write_run};
use crate::report::{Console, Event, Reporter, RunId, RunReport, Verbosity, wording};
use crate::scheduler::{Counts, OnFailure, Slots};
use crate::spec::Limits;
use crate::store::{Needs, Store};

/// How to run what is planned.
pub struct RunOptions {
    /// Room for running stages.
    pub slots: Slots,
    pub on_failure: OnFailure,
    /// Of stages that have none of their own.
    pub limits: Limits,
    /// Whether trainings go on from checkpoints.
    pub resume: bool,
}

/// A run from its first to its last event, with its folder.
pub struct Session<'a> {
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
    /// Makes the run's folder and starts to watch for signals.
    pub fn begin(
        graph: &'a Graph,
        plan: &'a Plan,
        store: &'a Store,
        sets: Vec<String>,
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
            sets,
            runner: env!("CARGO_PKG_VERSION").to_owned(),
            started: now.to_string(),
            finished: None,
            seconds: 0.0,
            state: RunState::Running,
            counts: Counts::default(),
            stages: Vec::new(),
        };
        let planned = PlannedStage::of(graph, plan);
        // Before there is a record: a run that has one and no process is one that was killed.
        store.need(&Needs {
            run: id.to_string(),
            keys: planned.iter().map(|stage| stage.key).collect(),
        })?;
        write_run(&folder, &report).map_err(Error::io("write to", &folder))?;
        write_plan(&folder, &planned).map_err(Error::io("write to", &folder))?;
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

    /// Executes the plan; the report is in the run's folder then, and told.
    pub fn execute(&self, options: &RunOptions) -> Result<(Execution, RunReport), Error> {
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
            slots: options.slots,
            on_failure: options.on_failure,
            folder: &self.folder,
            limits: options.limits,
            resume: options.resume,
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
    pub fn verdict(&self, report: &RunReport) -> Result<(), Error> {
        match (self.interrupt.signal(), report.counts.failed) {
            (Some(signal), _) => Err(Error::Interrupted(signal)),
            (None, 0) => Ok(()),
            (None, failed) => Err(Error::StagesFailed(wording::stages(failed))),
        }
    }
}
