//! Progress as plain lines, for output that is not a terminal.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use contract::{Progress, lock};
use engine::event::{Event, Observer, StageReport};
use engine::scheduler::Outcome;
use engine::wording;

use super::{Console, Verbosity, Warnings};

/// Shortest time between two progress lines of one stage.
const SPACING: Duration = Duration::from_secs(15);

/// Writes a line when a stage starts, when it ends, and occasionally in between.
pub struct Lines {
    console: Console,
    running: Mutex<HashMap<String, Running>>,
    warnings: Mutex<Warnings>,
}

struct Running {
    started: Instant,
    spoke: Instant,
    /// Epochs that were already done when the stage resumed from a checkpoint, else 0.
    start: f64,
}

impl Lines {
    pub fn new(console: Console) -> Self {
        Self {
            console,
            running: Mutex::default(),
            warnings: Mutex::default(),
        }
    }

    fn progress(&self, stage: &str, progress: &Progress) {
        let mut running = lock(&self.running);
        let Some(running) = running.get_mut(stage) else {
            return;
        };
        if running.spoke.elapsed() < SPACING {
            return;
        }
        running.spoke = Instant::now();
        let left = wording::seconds_left(
            progress,
            running.start,
            running.started.elapsed().as_secs_f64(),
        )
        .map(|seconds| format!(", {} left", wording::duration(seconds)));
        self.console.message(&format!(
            "{stage}: {}{}",
            wording::progress(progress),
            left.unwrap_or_default()
        ));
    }
}

impl Observer for Lines {
    fn observe(&self, event: &Event) {
        let chatty = self.console.verbosity > Verbosity::Quiet;
        match event {
            Event::StageStarted { stage, reason } => {
                let now = Instant::now();
                let mut running = lock(&self.running);
                running.insert(
                    stage.clone(),
                    Running {
                        started: now,
                        spoke: now,
                        start: 0.0,
                    },
                );
                if chatty {
                    self.console.message(&format!("{stage}: starts ({reason})"));
                }
            }
            Event::StageResumed { stage, from } => {
                let mut running = lock(&self.running);
                if let Some(running) = running.get_mut(stage) {
                    running.start = from.epoch as f64;
                }
                print_event(&self.console, &self.warnings, event);
            }
            Event::StageProgress { stage, progress } if chatty => self.progress(stage, progress),
            other => print_event(&self.console, &self.warnings, other),
        }
    }
}

/// Prints what bars and plain lines have in common: warnings, ends of stages, and the beginning and end of
/// the run.
pub(super) fn print_event(console: &Console, warnings: &Mutex<Warnings>, event: &Event) {
    print_warnings(console, warnings, event);
    let verbosity = console.verbosity;
    match event {
        Event::RunStarted {
            pipeline,
            stages,
            cached,
            device,
            ..
        } if verbosity > Verbosity::Quiet => {
            print_work(console, pipeline, *stages, *cached);
            if let Some(device) = device.as_ref().filter(|_| cached < stages) {
                console.message(&format!("device: {device}"));
            }
        }
        Event::RoundStarted {
            round,
            stages,
            cached,
        } if verbosity > Verbosity::Quiet => {
            print_work(console, &format!("round {round}"), *stages, *cached);
        }
        Event::RoundEnded {
            trials,
            best: Some(best),
            ..
        } if verbosity > Verbosity::Quiet => {
            let trials = wording::counted(*trials, "trial");
            console.message(&format!("{trials}; {}", wording::best(best)));
        }
        Event::TrialJudged {
            trial,
            values,
            judgement,
        } if verbosity == Verbosity::Verbose => {
            let judgement = wording::trial_result(judgement);
            console.message(&format!("trial {trial} ({values}): {judgement}"));
        }
        Event::StageResumed { stage, from } if verbosity > Verbosity::Quiet => {
            console.message(&format!(
                "{stage}: resumes after {from}, from its checkpoint"
            ));
        }
        Event::StageStartsOver { stage, why } if verbosity > Verbosity::Quiet => {
            console.message(&format!("{stage}: starts over: {why}"));
        }
        Event::StageNote { stage, message } if verbosity == Verbosity::Verbose => {
            console.message(&format!("{stage}: {message}"));
        }
        Event::StageEnded { stage } if is_worth_printing(stage, verbosity) => {
            let verb = match stage.outcome {
                Outcome::Succeeded => "done, ",
                Outcome::Failed => "failed: ",
                _ => "",
            };
            console.message(&format!("{}: {verb}{}", stage.name, wording::ending(stage)));
        }
        Event::Interrupted { .. } => {
            console.message("stopping the running stages; interrupt again to kill them")
        }
        Event::RunEnded { counts, seconds } if verbosity > Verbosity::Quiet => {
            console.message(&wording::summary(counts, *seconds));
        }
        _ => {}
    }
}

/// Prints each warning about results once, for the first instance of a stage that has it. At the end of the
/// run, prints the warnings that other instances had as well.
fn print_warnings(console: &Console, warnings: &Mutex<Warnings>, event: &Event) {
    let mut warnings = lock(warnings);
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

/// Prints how much there is to do, unless everything is cached.
fn print_work(console: &Console, what: &str, stages: usize, cached: usize) {
    let to_run = stages - cached;
    if to_run > 0 {
        let stages = wording::stages(stages);
        console.message(&format!(
            "{what}: {stages}, {cached} cached, {to_run} to run"
        ));
    }
}

fn is_worth_printing(stage: &StageReport, verbosity: Verbosity) -> bool {
    let executed = stage.seconds.is_some();
    match stage.outcome {
        Outcome::Failed => true,
        Outcome::Succeeded | Outcome::Cancelled if executed => verbosity > Verbosity::Quiet,
        _ => verbosity == Verbosity::Verbose,
    }
}
