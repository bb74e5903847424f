//! Shared parts of the displays of a run: its state, its clock and its messages.

use std::time::Instant;

use engine::event::{Event, Observer, StageReport};
use engine::launch::PROGRAM_SECONDS;
use engine::run::progress::{RunProgress, RunningStage};
use engine::scheduler::Outcome;
use engine::wording;

use super::{Console, Verbosity, Warnings};

/// Shows a run while it goes on.
pub trait Display: Observer {
    /// Shows an event that happened `at` seconds after the start of the run.
    fn show(&self, event: &Event, at: f64);
}

/// Process that shows a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Viewer {
    /// The process of the run, which Ctrl-C stops.
    Runner,
    /// Another process, which Ctrl-C detaches. Holds the seconds since the start of the run.
    Attached(f64),
}

impl Observer for Box<dyn Display> {
    fn observe(&self, event: &Event) {
        (**self).observe(event);
    }
}

/// The state of a run that is shown.
pub(super) struct Live {
    pub console: Console,
    pub progress: RunProgress,
    warnings: Warnings,
    viewer: Viewer,
    began: Instant,
    has_ended: bool,
}

impl Live {
    pub(super) fn new(console: Console, viewer: Viewer) -> Self {
        Self {
            console,
            progress: RunProgress::default(),
            warnings: Warnings::default(),
            viewer,
            began: Instant::now(),
            has_ended: false,
        }
    }

    /// Returns the seconds since the start of the run.
    pub(super) fn now(&self) -> f64 {
        let before = match self.viewer {
            Viewer::Runner => 0.0,
            Viewer::Attached(seconds) => seconds,
        };
        before + self.began.elapsed().as_secs_f64()
    }

    /// Takes account of an event, and prints what bars and plain lines have in common: warnings, ends of stages, and
    /// the beginning and end of the run.
    pub(super) fn print(&mut self, event: &Event, at: f64) {
        self.progress.apply(event, at);
        self.print_warnings(event);
        self.has_ended |= matches!(event, Event::RunEnded { .. });
        if let Some(message) = self.message(event) {
            self.console.message(&message);
        }
        if let Event::RunEnded { .. } = event
            && self.console.verbosity > Verbosity::Quiet
        {
            for line in self.progress.stopped_lines() {
                self.console.message(&line);
            }
        }
    }

    /// The line that announces an event, if it is worth one.
    fn message(&self, event: &Event) -> Option<String> {
        let verbosity = self.console.verbosity;
        let chatty = verbosity > Verbosity::Quiet;
        match event {
            Event::RunStarted {
                pipeline,
                stages,
                cached,
                device,
                ..
            } if chatty => {
                let work = work(pipeline, *stages, *cached)?;
                let device = device.as_ref().map(|device| format!("\ndevice: {device}"));
                Some(work + &device.unwrap_or_default())
            }
            Event::RoundStarted {
                round,
                stages,
                cached,
            } if chatty => work(&format!("round {round}"), *stages, *cached),
            Event::RoundEnded {
                trials,
                best: Some(best),
                ..
            } if chatty => {
                let trials = wording::counted(*trials, "trial");
                Some(format!("{trials}; {}", wording::best(best)))
            }
            Event::TrialJudged {
                trial,
                values,
                judgement,
            } if verbosity == Verbosity::Verbose => {
                let judgement = wording::trial_result(judgement);
                Some(format!("trial {trial} ({values}): {judgement}"))
            }
            Event::StageWaits { stage, runs } if chatty => Some(format!(
                "{stage}: waits for {}, which makes the same result",
                wording::runs(runs)
            )),
            Event::StageResumed { stage, from } if chatty => Some(format!(
                "{stage}: resumes after {from}, from its checkpoint"
            )),
            Event::StageStartsOver { stage, why } if chatty => {
                Some(format!("{stage}: starts over: {why}"))
            }
            Event::StageNote { stage, message } if verbosity == Verbosity::Verbose => {
                Some(format!("{stage}: {message}"))
            }
            Event::StageEnded { stage } if is_worth_printing(stage, verbosity) => {
                let verb = match stage.outcome {
                    Outcome::Succeeded => "done, ",
                    Outcome::Failed => "failed: ",
                    Outcome::Cached | Outcome::Skipped | Outcome::Cancelled => "",
                };
                Some(format!("{}: {verb}{}", stage.name, wording::ending(stage)))
            }
            // Only the wait for uploads is interrupted.
            Event::Interrupted { .. } if self.has_ended => None,
            // The launcher of these stages tells about them.
            Event::Interrupted { .. } if self.all_outlive_run() => Some("stopping".to_owned()),
            Event::Interrupted { .. } => Some(match self.viewer {
                Viewer::Runner => format!(
                    "stopping: trainings save a checkpoint, and programs that have not ended after {PROGRAM_SECONDS} s \
                     are killed; interrupt again to kill everything now"
                ),
                Viewer::Attached(_) => "the run was asked to stop".to_owned(),
            }),
            Event::RunEnded { counts, seconds } if chatty => {
                Some(wording::summary(counts, *seconds))
            }
            _ => None,
        }
    }

    /// `true` if all stages that run go on when the run is stopped.
    fn all_outlive_run(&self) -> bool {
        let running = &self.progress.running;
        !running.is_empty() && running.iter().all(RunningStage::outlives_run)
    }

    /// Prints each warning about results once, for the first instance of a stage that has it. At the end of the
    /// run, prints the warnings that other instances had as well.
    fn print_warnings(&mut self, event: &Event) {
        let console = &self.console;
        let warnings = &mut self.warnings;
        let mut warn = |stage: &str, message: &str, about_run_only: bool| {
            if about_run_only || warnings.add(stage, message) {
                console.message(&format!("{stage}: warning: {message}"));
            }
        };
        match event {
            Event::StageWarning {
                stage,
                message,
                about_run_only,
            } => warn(stage, message, *about_run_only),
            // Includes the warnings of results that were found in the store.
            Event::StageEnded { stage } => {
                for message in &stage.warnings {
                    warn(&stage.name, message, false);
                }
            }
            Event::RunEnded { .. } => {
                for line in warnings.repeated() {
                    console.message(&line);
                }
            }
            _ => {}
        }
    }
}

/// Says how much there is to do, unless everything is cached.
fn work(what: &str, stages: usize, cached: usize) -> Option<String> {
    let to_run = stages - cached.min(stages);
    let stages = wording::stages(stages);
    (to_run > 0).then(|| format!("{what}: {stages}, {cached} cached, {to_run} to run"))
}

fn is_worth_printing(stage: &StageReport, verbosity: Verbosity) -> bool {
    let executed = stage.seconds.is_some();
    match stage.outcome {
        Outcome::Failed => true,
        Outcome::Succeeded | Outcome::Cancelled if executed => verbosity > Verbosity::Quiet,
        _ => verbosity == Verbosity::Verbose,
    }
}
