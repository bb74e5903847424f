//! A run from beginning to end: its folder, its record and its events.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use contract::ShowPath;
use jiff::Timestamp;
use petgraph::graph::NodeIndex;

use crate::error::Error;
use crate::event::RunState;
use crate::event::{Event, Reporter, RunReport};
use crate::executor::{self, Execution};
use crate::forecast::Machine;
use crate::graph::{Demand, Graph};
use crate::launch::{Executors, Interrupt, Launcher, Places};
use crate::plan::{Plan, State};
use crate::run::RunId;
use crate::run::commit;
use crate::run::event_log::EventLog;
use crate::run::files::{write_plan, write_run};
use crate::run::fingerprints;
use crate::run::number;
use crate::run::planned_stage::PlannedStage;
use crate::scheduler::{Capacity, Counts, OnFailure, Outcome};
use crate::spec::Limits;
use crate::wording;
use store::keys::Key;
use store::{Needs, Store};

/// Settings for the execution of a plan.
pub struct RunOptions {
    /// Resources for running stages.
    pub capacity: Capacity,
    pub on_failure: OnFailure,
    /// Limits for stages that have none of their own.
    pub limits: Limits,
    /// `true` if trainings resume from checkpoints.
    pub resume: bool,
    /// Expected resources of stages, from earlier runs or from the work that the stages declare.
    pub demands: HashMap<NodeIndex, Demand>,
    /// Expected wall times of stages, in seconds, as far as they are known.
    pub seconds: HashMap<NodeIndex, f64>,
    /// Number of trials that later rounds will choose. `None` if there are no later rounds.
    pub later_trials: Option<usize>,
    /// Stages that fail without being run, and why.
    pub refused: HashMap<NodeIndex, String>,
    /// Stages that failed when they were last executed.
    pub failed_before: HashSet<NodeIndex>,
}

/// The pipeline and the options of a run.
pub struct Subject<'a> {
    /// The pipeline's name.
    pub pipeline: &'a str,
    pub file: &'a Path,
    pub profile: Option<&'a str>,
    /// Values set by `--device`, `--precision` and `--set`, as `name=value`.
    pub sets: &'a [String],
}

/// Adds observers to a run, whose folder exists. Called once.
pub type Observe<'a> = &'a dyn Fn(&Path, &mut Reporter) -> io::Result<()>;

/// A run from its first to its last event, with its folder.
///
/// It executes one plan, or several in a row if what to do next depends on results.
pub struct Session<'a> {
    store: &'a Store,
    folder: PathBuf,
    reporter: Arc<Reporter>,
    launcher: Arc<dyn Launcher>,
    interrupt: Interrupt,
    started: Instant,
    /// Report on the run so far.
    report: RunReport,
    /// All stages planned so far.
    planned: Vec<PlannedStage>,
    known: HashSet<(String, Key)>,
    /// Names of the stages that have ended.
    ended: HashSet<String>,
    rounds: usize,
}

impl<'a> Session<'a> {
    /// Creates the run's folder and starts to watch for signals.
    pub fn begin(
        subject: &Subject<'_>,
        store: &'a Store,
        executors: &Executors,
        observe: Observe<'_>,
    ) -> Result<Self, Error> {
        let (runs, numbers) = (store.runs_folder(), store.numbers_folder());
        let number = number::claim(&numbers, &runs)
            .map_err(Error::io("claim the number of a run in", &numbers))?;
        // After the number: of two runs, the one with the smaller number should also have the earlier time.
        let now = Timestamp::now();
        let (id, folder) =
            RunId::claim(&runs, now, number).map_err(Error::io("create a folder in", &runs))?;
        let mut reporter = Reporter::default();
        reporter.add(EventLog::create(&folder).map_err(Error::io("write to", &folder))?);
        observe(&folder, &mut reporter).map_err(Error::io("write to", &folder))?;
        let reporter = Arc::new(reporter);
        let launcher: Arc<dyn Launcher> = Arc::new(Places::new(executors.clone()));
        let observers = Arc::clone(&reporter);
        let remote = store.remote().map(Arc::clone);
        let interrupt = Interrupt::watch(Arc::clone(&launcher), move |signal, stop| {
            // A shared cache may hang. The run must not wait for it.
            remote.iter().for_each(|remote| remote.stop());
            observers.send_after(stop, &Event::Interrupted { signal })
        })
        .map_err(|e| Error::System(format!("failed to watch for signals: {e}")))?;
        let report = RunReport {
            run: id.to_string(),
            number: Some(number),
            pipeline: subject.pipeline.to_owned(),
            file: subject.file.to_string_lossy().into_owned(),
            profile: subject.profile.map(str::to_owned),
            sets: subject.sets.to_vec(),
            runner: env!("CARGO_PKG_VERSION").to_owned(),
            commit: commit::checked_out(subject.file),
            device: None,
            machine: Some(Machine::current(store.root()).describe()),
            started: now.to_string(),
            finished: None,
            seconds: 0.0,
            state: RunState::Running,
            counts: Counts::default(),
            stages: Vec::new(),
        };
        Ok(Self {
            store,
            folder,
            reporter,
            launcher,
            interrupt,
            started: Instant::now(),
            report,
            planned: Vec::new(),
            known: HashSet::new(),
            ended: HashSet::new(),
            rounds: 0,
        })
    }

    /// Declares that the run needs everything in a plan, so that nothing in the plan is collected from now on.
    pub fn add_plan(&mut self, graph: &Graph, plan: &Plan) -> Result<(), Error> {
        let before = self.planned.len();
        let mut new = HashSet::new();
        for stage in PlannedStage::of(graph, plan) {
            if self.known.insert((stage.name.clone(), stage.key)) {
                new.insert(stage.key);
                self.planned.push(stage);
            }
        }
        if before > 0 && before == self.planned.len() {
            return Ok(());
        }
        // This comes before the record: a run with a record but without a living process counts as killed.
        self.store.need(&Needs {
            run: self.report.run.clone(),
            keys: self.planned.iter().map(|stage| stage.key).collect(),
        })?;
        let failed = Error::io("write to", &self.folder);
        write_plan(&self.folder, &self.planned)
            .and_then(|()| write_run(&self.folder, &self.report))
            .map_err(failed)?;
        let misses = plan.misses();
        let misses = misses.filter(|action| new.contains(&action.action_key));
        if let Err(error) = fingerprints::append(&self.folder, misses) {
            let folder = self.folder.shown();
            tracing::warn!("failed to write fingerprints to `{folder}`: {error}");
        }
        Ok(())
    }

    /// Executes a plan that was passed to [`Session::add_plan`].
    ///
    /// # Errors
    /// If the system refuses the threads that this needs.
    pub fn execute(
        &mut self,
        graph: &Graph,
        plan: &Plan,
        options: RunOptions,
    ) -> Result<Execution, Error> {
        let is_cached = |state: &State| matches!(state, State::Cached(_));
        let cached = plan.actions.iter().filter(|a| is_cached(&a.state)).count();
        let stages = plan.actions.len();
        self.rounds += 1;
        self.report.device = graph.devices();
        self.reporter.send(&match self.rounds {
            1 => Event::RunStarted {
                run: self.report.run.clone(),
                pipeline: self.report.pipeline.clone(),
                stages,
                cached,
                device: self.report.device.clone(),
            },
            round => Event::RoundStarted {
                round,
                stages,
                cached,
            },
        });
        let options = executor::Options {
            capacity: options.capacity,
            on_failure: options.on_failure,
            folder: &self.folder,
            limits: options.limits,
            resume: options.resume,
            demands: options.demands,
            seconds: options.seconds,
            later_trials: options.later_trials,
            refused: options.refused,
            failed_before: options.failed_before,
        };
        let execution = executor::execute(
            graph,
            plan,
            self.store,
            &*self.launcher,
            &self.reporter,
            &options,
        );
        let execution = execution
            .map_err(|error| Error::System(format!("failed to start a thread: {error}")))?;
        for stage in &execution.stages {
            let is_first = self.ended.insert(stage.name.clone());
            // A result of an earlier round that this round uses was already reported.
            if is_first || stage.outcome != Outcome::Cached {
                self.report.counts.add(stage.outcome);
                self.report.stages.push(stage.clone());
            }
        }
        Ok(execution)
    }

    /// Sends an event about the run as a whole.
    pub fn send(&self, event: &Event) {
        self.reporter.send(event);
    }

    /// Returns `true` if a signal asked the run to stop.
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.signal().is_some()
    }

    /// Ends the run and writes its report. If `failed` is set, the run counts as failed even if all its stages
    /// succeeded.
    pub fn end(&mut self, failed: bool) -> Result<&RunReport, Error> {
        let report = &mut self.report;
        report.seconds = self.started.elapsed().as_millis() as f64 / 1e3;
        report.finished = Some(Timestamp::now().to_string());
        report.state = match (self.interrupt.signal(), report.counts.failed) {
            (Some(_), _) => RunState::Cancelled,
            (None, 0) if !failed => RunState::Succeeded,
            (None, _) => RunState::Failed,
        };
        let (counts, seconds) = (report.counts, report.seconds);
        self.reporter
            .send_last(&Event::RunEnded { counts, seconds });
        write_run(&self.folder, report).map_err(Error::io("write to", &self.folder))?;
        Ok(report)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The result of the run as a whole.
    pub fn verdict(&self) -> Result<(), Error> {
        match (self.interrupt.signal(), self.report.counts.failed) {
            (Some(signal), _) => Err(Error::Interrupted(signal)),
            (None, 0) => Ok(()),
            (None, failed) => Err(Error::StagesFailed(wording::stages(failed))),
        }
    }
}
