//! `runner run`: runs a pipeline and prints its tables.

use contract::ShowPath;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use engine::error::Error;
use engine::forecast::preflight::Findings;
use engine::run::replay::known_graph;
use engine::run::rounds::{Order, rounds};
use engine::run::{Outcomes, Session, planned};
use engine::scheduler::OnFailure;
use engine::spec::{Limits, Retries, parse_duration};
use engine::store::Store;
use engine::sweep::Course;

use super::expecting::{self, Expecting};
use super::pipeline::{Overrides, SourceArgs, StoreArgs, catalogue};
use super::results::Results;
use super::room::RoomArgs;
use super::saved_plan::SavedPlan;
use super::selection::Selection;
use super::table::{self, Against};
use super::{plan, preflight, sweep, unwritten};
use crate::report::bars::Bars;
use crate::report::lines::Lines;
use crate::report::logs::RunLog;
use crate::report::table::Format;
use crate::report::{Console, Verbosity};

/// Run the stages that are not cached, and print the pipeline's tables
#[derive(Debug, Args)]
pub struct Run {
    /// Pipeline file
    #[arg(required_unless_present = "plan")]
    file: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    sources: SourceArgs,
    /// Run the plan that `runner plan --out FILE` saved; fail if it no longer holds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "profile", "sets", "device", "precision", "force", "until"])]
    plan: Option<PathBuf>,
    /// Show what would run, and why, without running it
    #[arg(short = 'n', long, conflicts_with_all = ["strict", "junit"])]
    dry_run: bool,
    #[command(flatten)]
    room: RoomArgs,
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
    /// Number of retries after a failure of the system or of a program, for stages without `retries` of
    /// their own: immediately after a timeout, else after 1, 2, 4, … seconds
    #[arg(long, value_name = "N", env = "RUNNER_RETRIES", value_parser = clap::value_parser!(u32).range(..=100))]
    retries: Option<u32>,
    /// Start trainings from the beginning instead of resuming them from checkpoints
    #[arg(long)]
    no_resume: bool,
    #[command(flatten)]
    expecting: Expecting,
    /// Print one JSON object about the run instead of tables
    #[arg(long)]
    json: bool,
}

impl Run {
    pub fn execute(self, console: &Console, logs: &RunLog) -> Result<(), Error> {
        let saved = self.plan.as_deref().map(SavedPlan::read).transpose()?;
        let (file, overrides, selection) = match &saved {
            Some(saved) => (&saved.file, &saved.overrides, &saved.selection),
            None => {
                let file = self.file.as_ref();
                let file = file.ok_or_else(|| Error::Usage("no pipeline is named".to_owned()))?;
                (file, &self.overrides, &self.selection)
            }
        };
        let mut course = overrides.course(file)?;
        let store = self.sources.open(&self.store)?;
        let sets = overrides.sets();
        let asked = Asked {
            sets: &sets,
            selection,
            saved: saved.as_ref().zip(self.plan.as_deref()),
        };
        if self.dry_run {
            return self.show(console, course, &asked, &store);
        }
        self.expecting.check()?;
        let mut outcomes = Outcomes::new(&store);
        let mut session = None;
        let ran = self.rounds(
            &mut course,
            &asked,
            &mut outcomes,
            &mut session,
            (&store, console, logs),
        );
        let Some(mut session) = session else {
            ran?;
            // No trial is a valid pipeline, so nothing was run.
            let trials = sweep::report(&course, &store, &outcomes)?;
            return sweep::verdict(&trials);
        };
        let trials = match course.is_sweep() {
            true => Some(sweep::record(&course, &store, &outcomes, session.folder())),
            false => None,
        };
        let trials = trials.transpose();
        let failed = matches!(&trials, Ok(Some(trials)) if sweep::verdict(trials).is_err());
        let folder = session.folder().to_owned();
        let report = session.end(failed || ran.is_err())?;
        if console.verbosity > Verbosity::Quiet {
            console.say(&format!(
                "outputs: {}; this run: {}",
                store.latest_folder(&report.pipeline).shown(),
                folder.shown()
            ));
        }
        let trials = trials?;
        let (graph, shown) = (course.graph(), course.shown());
        let results = Results::new(graph, &store, &outcomes.outputs, &shown, &report.stages);
        let judgements = expecting::judge(&results);
        let kept = self.expecting.keep(&results, &judgements);
        if self.json {
            let text = serde_json::to_string(report).map_err(|e| Error::Internal(e.to_string()))?;
            console.result(&text).map_err(unwritten)?;
        } else {
            if let Some(trials) = &trials {
                let more = !graph.tables.is_empty() || !graph.expectations.is_empty();
                sweep::print(console, trials, if more { "\n" } else { "" })?;
            }
            table::print(
                console,
                &results,
                &judgements,
                Format::Terminal,
                &Against::None,
            )?;
        }
        // An error in a later round does not affect the results of earlier rounds.
        let ended = ran.and_then(|()| session.verdict());
        let ended = ended.and_then(|()| trials.as_ref().map_or(Ok(()), sweep::verdict));
        self.expecting.conclude(console, ended, kept, &judgements)
    }

    /// Prints what would run, as far as that is known.
    fn show(
        &self,
        console: &Console,
        course: Course,
        asked: &Asked<'_>,
        store: &Store,
    ) -> Result<(), Error> {
        let graph = known_graph(course, Some(store))?;
        let plan = planned(&graph, store, &asked.selection.options(&graph)?)?;
        if let Some((saved, from)) = asked.saved {
            saved.check(from, &graph, &plan, store)?;
        }
        plan::print(console, &graph, &plan, store, &self.room, self.json)
    }

    /// Plans and executes the rounds in order, and prints the warnings about each, every warning once.
    fn rounds<'a>(
        &self,
        course: &mut Course,
        asked: &Asked<'_>,
        outcomes: &mut Outcomes<'a>,
        session: &mut Option<Session<'a>>,
        (store, console, logs): (&'a Store, &'a Console, &RunLog),
    ) -> Result<(), Error> {
        let order = Order {
            sets: asked.sets,
            select: &|graph, round| asked.selection.options_of(graph, round),
            accept: &|graph, plan| match asked.saved {
                Some((saved, from)) => saved.check(from, graph, plan, store),
                None => Ok(()),
            },
            room: &|graph, machine| self.room.room(graph, machine),
            on_failure: self.on_failure(course),
            limits: self.limits(),
            resume: !self.no_resume,
            parse: catalogue().parse,
            observe: &|folder, reporter| {
                logs.open(folder)?;
                if console.is_live() {
                    reporter.add(Bars::new(console.clone()));
                } else {
                    reporter.add(Lines::new(console.clone()));
                }
                Ok(())
            },
        };
        let mut printed = HashSet::new();
        rounds(course, &order, store, outcomes, session, &mut |findings| {
            tell(console, findings, &mut printed);
        })
    }

    fn limits(&self) -> Limits {
        Limits {
            timeout: self.timeout,
            memory: None,
            retries: self.retries.map(Retries::times),
        }
    }

    /// By default, a failed trial does not stop a sweep.
    fn on_failure(&self, course: &Course) -> OnFailure {
        if self.keep_going.unwrap_or(course.is_sweep()) {
            OnFailure::KeepGoing
        } else {
            OnFailure::Stop
        }
    }
}

/// What the user requested, besides the pipeline.
struct Asked<'a> {
    sets: &'a [String],
    selection: &'a Selection,
    /// A saved plan, and its path.
    saved: Option<(&'a SavedPlan, &'a Path)>,
}

/// Prints the warnings about a plan that were not printed for an earlier round.
fn tell(console: &Console, findings: &Findings, said: &mut HashSet<String>) {
    for doubt in &findings.doubts {
        let warning = preflight::warning(doubt);
        if said.insert(warning.clone()) {
            console.say(&warning);
        }
    }
}
