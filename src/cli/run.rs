//! `runner run`: runs a pipeline and prints its tables.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use contract::{ShowPath, files};
use engine::error::Error;
use engine::forecast::preflight::Findings;
use engine::run::contrasts::Against;
use engine::run::measurements::Measurements;
use engine::run::replay::known_graph;
use engine::run::rounds::{RunRequest, run_rounds};
use engine::run::sweep_report::{report, verdict, write_report};
use engine::run::{Outcomes, Session, planned};
use engine::scheduler::OnFailure;
use engine::spec::{Limits, Retries, parse_duration};
use engine::sweep::Experiment;
use store::Store;

use super::executors::{self, OnInterruptArg};
use super::expectations::{self, ExpectationArgs};
use super::notify::NotifyArgs;
use super::pipeline::{ANALYSIS, Overrides, SourceArgs, StoreArgs, catalogue};
use super::plan::SavedPlan;
use super::resources::ResourceArgs;
use super::selection::Selection;
use super::{hosts, plan, preflight, result_metrics, shared, sweep, table, unwritten};
use crate::report::format::Format;
use crate::report::logs::RunLog;
use crate::report::{Console, Verbosity, Viewer, display};

/// Run the stages that are not cached, and print the pipeline's tables
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Pipeline file
    #[arg(required_unless_present = "plan")]
    file: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    sources: SourceArgs,
    /// Run the plan that `runner plan --out FILE` saved; fail if it is out of date
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "profile", "sets", "device", "precision", "force", "until"])]
    plan: Option<PathBuf>,
    /// Show what would run, and why, without running it
    #[arg(short = 'n', long, conflicts_with_all = ["strict", "junit"])]
    dry_run: bool,
    #[command(flatten)]
    resources: ResourceArgs,
    #[command(flatten)]
    selection: Selection,
    /// After a failure, continue with everything that does not depend on it
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
    /// Time limit for each attempt at a stage that has no `timeout` of its own: 90s, 1h 30m
    #[arg(long, value_name = "TIME", env = "RUNNER_TIMEOUT", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Number of retries after a failure of the system or of a program, for stages that have no `retries` of
    /// their own; runner waits 1, 2, 4, … seconds before a retry, except after a timeout
    #[arg(long, value_name = "N", env = "RUNNER_RETRIES", value_parser = clap::value_parser!(u32).range(..=100))]
    retries: Option<u32>,
    /// Leave or cancel stages on other machines after Ctrl-C; if left, a second Ctrl-C within 10 s cancels them
    #[arg(long, value_name = "WHAT", value_enum, default_value = "leave")]
    on_interrupt: OnInterruptArg,
    /// Start trainings from the beginning instead of resuming them from checkpoints
    #[arg(long)]
    no_resume: bool,
    #[command(flatten)]
    expectations: ExpectationArgs,
    #[command(flatten)]
    notify: NotifyArgs,
    /// Print one JSON object about the run instead of tables
    #[arg(long)]
    json: bool,
}

impl Run {
    /// Reads the pipeline for the job of a driver, without running anything.
    ///
    /// # Errors
    /// If the pipeline has a mistake, or with an option that makes no sense there.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.dry_run {
            let message = "`--dry-run` runs nothing; use it with `runner run`";
            return Err(Error::Usage(message.to_owned()));
        }
        if self.selection.is_forced() {
            let message = "`--force` would force the stages again each time that the job of the driver starts again \
                           after its time limit; use it with `runner run`";
            return Err(Error::Usage(message.to_owned()));
        }
        match &self.file {
            Some(file) => self.overrides.experiment(file).map(drop),
            // A saved plan names its pipeline.
            None => Ok(()),
        }
    }

    /// The place of the results.
    pub(super) fn store(&self) -> &StoreArgs {
        &self.store
    }

    pub(super) fn execute(self, console: &Console, logs: &RunLog) -> Result<(), Error> {
        let saved = self.plan.as_deref().map(plan::read_plan).transpose()?;
        let (file, overrides, selection) = match &saved {
            Some(saved) => (&saved.file, &saved.overrides, &saved.selection),
            None => {
                let file = self.file.as_ref();
                let file =
                    file.ok_or_else(|| Error::Usage("no pipeline file is given".to_owned()))?;
                (file, &self.overrides, &self.selection)
            }
        };
        let experiment = overrides.experiment(file)?;
        let store = self.sources.open(&self.store)?;
        let sets = overrides.sets();
        let invocation = Invocation {
            file,
            sets: &sets,
            selection,
            saved: saved.as_ref().zip(self.plan.as_deref()),
        };
        let ended = self.carry_out(experiment, &invocation, (&store, console, logs));
        shared::finish(&store, console, &ended);
        ended
    }

    fn carry_out(
        &self,
        mut experiment: Experiment,
        invocation: &Invocation<'_>,
        (store, console, logs): (&Store, &Console, &RunLog),
    ) -> Result<(), Error> {
        if self.dry_run {
            return self.show(console, experiment, invocation, store);
        }
        self.expectations.check()?;
        self.notify.check()?;
        let mut outcomes = Outcomes::new(store);
        let mut session = None;
        let ran = self.rounds(
            &mut experiment,
            invocation,
            &mut outcomes,
            &mut session,
            (store, console, logs),
        );
        let Some(mut session) = session else {
            ran?;
            // No trial is a valid pipeline, so nothing was run.
            let trials = report(&experiment, store, &outcomes, ANALYSIS)?;
            return verdict(&trials);
        };
        let trials = match experiment.is_sweep() {
            true => {
                let folder = session.folder();
                Some(write_report(
                    &experiment,
                    store,
                    &outcomes,
                    folder,
                    ANALYSIS,
                ))
            }
            false => None,
        };
        let trials = trials.transpose();
        let previous = result_metrics::record(&experiment, store, &outcomes, session.folder());
        let failed = matches!(&trials, Ok(Some(trials)) if verdict(trials).is_err());
        let folder = session.folder().to_owned();
        let report = session.end(failed || ran.is_err())?;
        let _at_end = self.notify.at_end(console, report, &folder);
        if console.verbosity > Verbosity::Quiet {
            console.message(&folders(store, &report.pipeline, &folder));
        }
        let trials = trials?;
        let (graph, shown) = (experiment.graph(), experiment.shown());
        let results = Measurements::new(
            graph,
            store,
            &outcomes.outputs,
            &shown,
            &report.stages,
            ANALYSIS,
        );
        let judgements = expectations::judge(&results);
        let junit = self.expectations.write_junit(&results, &judgements);
        if self.json {
            let text = serde_json::to_string(report).map_err(|e| Error::Internal(e.to_string()))?;
            console.result(&text).map_err(unwritten)?;
        } else {
            if let Some(trials) = &trials {
                let more = !graph.tables.is_empty() || !graph.expectations.is_empty();
                sweep::print(console, trials, if more { "\n" } else { "" })?;
            }
            let printed = table::Printed {
                tables: &graph.tables,
                rest: judgements.outside(&graph.tables),
            };
            table::print(
                console,
                &results,
                &judgements,
                &printed,
                Format::Terminal,
                &Against::None,
            )?;
            result_metrics::print(
                console,
                &experiment,
                store,
                &outcomes,
                &previous,
                invocation.file,
            )?;
        }
        result_metrics::warn_of_absent(console, &results);
        // An error in a later round does not affect the results of earlier rounds.
        let ended = ran.and_then(|()| session.verdict());
        let ended = ended.and_then(|()| trials.as_ref().map_or(Ok(()), verdict));
        self.expectations
            .conclude(console, ended, junit, &judgements)
    }

    /// Prints what would run, as far as that is known.
    fn show(
        &self,
        console: &Console,
        experiment: Experiment,
        invocation: &Invocation<'_>,
        store: &Store,
    ) -> Result<(), Error> {
        let graph = known_graph(experiment, Some(store))?;
        let plan = planned(&graph, store, &invocation.selection.options(&graph)?)?;
        if let Some((saved, from)) = invocation.saved {
            saved.check(from, &graph, &plan, store)?;
        }
        plan::print(console, &graph, &plan, store, &self.resources, self.json)
    }

    /// Plans and executes the rounds in order, and prints each distinct warning once.
    fn rounds<'a>(
        &self,
        experiment: &mut Experiment,
        invocation: &Invocation<'_>,
        outcomes: &mut Outcomes<'a>,
        session: &mut Option<Session<'a>>,
        (store, console, logs): (&'a Store, &'a Console, &RunLog),
    ) -> Result<(), Error> {
        let executors = executors::of(experiment.graph(), self.on_interrupt)?;
        let on_failure = self.on_failure(experiment);
        let request = RunRequest {
            executors: &executors,
            sets: invocation.sets,
            select: &|graph, round| invocation.selection.options_of(graph, round),
            accept: &|graph, plan| match invocation.saved {
                Some((saved, from)) => saved.check(from, graph, plan, store),
                None => Ok(()),
            },
            begin: &|graph, plan| match on_failure {
                OnFailure::Stop => hosts::check(graph, plan, &executors, console),
                // Stages of other machines are to run in any case.
                OnFailure::KeepGoing => Ok(()),
            },
            capacity: &|graph, machine| self.resources.capacity(graph, machine),
            on_failure,
            limits: self.limits(),
            resume: !self.no_resume,
            parse: catalogue().parse,
            observe: &|folder, reporter| {
                logs.open(folder)?;
                reporter.add(display(console, Viewer::Runner));
                Ok(())
            },
        };
        let mut printed = HashSet::new();
        run_rounds(
            experiment,
            &request,
            store,
            outcomes,
            session,
            &mut |findings| {
                print_new_warnings(console, findings, &mut printed);
            },
        )
    }

    fn limits(&self) -> Limits {
        Limits {
            timeout: self.timeout,
            memory: None,
            retries: self.retries.map(Retries::times),
        }
    }

    /// By default, a failed trial does not stop a sweep.
    fn on_failure(&self, experiment: &Experiment) -> OnFailure {
        if self.keep_going.unwrap_or(experiment.is_sweep()) {
            OnFailure::KeepGoing
        } else {
            OnFailure::Stop
        }
    }
}

/// The user's requests, besides the pipeline.
struct Invocation<'a> {
    file: &'a Path,
    sets: &'a [String],
    selection: &'a Selection,
    /// A saved plan, and its path.
    saved: Option<(&'a SavedPlan, &'a Path)>,
}

/// Prints the warnings about a plan that were not printed for an earlier round.
/// A line with the folders that a run has written: of its newest outputs, if there are any, and its own.
pub(super) fn folders(store: &Store, pipeline: &str, run: &Path) -> String {
    let latest = store.latest_folder(pipeline);
    let run = run.shown();
    match files::exists(&latest).unwrap_or(true) {
        true => format!("outputs: {}; this run: {run}", latest.shown()),
        false => format!("this run: {run}"),
    }
}

fn print_new_warnings(console: &Console, findings: &Findings, printed: &mut HashSet<String>) {
    for diagnostic in &findings.warnings {
        let warning = preflight::warning(diagnostic);
        if printed.insert(warning.clone()) {
            console.message(&warning);
        }
    }
}
