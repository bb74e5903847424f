//! [`RunProgress`]: the state of a run, from its events. The terminal, `runner runs show` and pages show it.

mod text;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;

use contract::{Position, Progress};
use jiff::Timestamp;

use crate::event::{Event, StageReport};
use crate::run::follow::{FollowError, ProgressDetail, replay_events};
use crate::scheduler::{Counts, Outcome, Phase, Schedule, TimeLeft};
use crate::wording;

/// Shortest time, in seconds, from which a rate is computed. The start of a stage may be announced with a delay.
const SHORTEST: f64 = 1.0;

/// State of a run after the events so far.
///
/// Times are seconds on any clock of the caller, such as the time since the run started.
#[derive(Clone, Debug, Default)]
pub struct RunProgress {
    /// The run's id; empty before the first event.
    pub run: String,
    pub pipeline: String,
    pub device: Option<String>,
    /// Number of stages that were planned so far, including cached ones.
    pub stages: usize,
    /// Number of stages that have ended, by outcome.
    pub counts: Counts,
    /// Running stages, in the order in which they started.
    pub running: Vec<RunningStage>,
    /// Stages that wait for another run, in the order in which they began to wait.
    pub waiting: Vec<WaitingStage>,
    /// Stages that were ended while they ran, because the run was asked to stop.
    pub stopped: Vec<RunningStage>,
    /// From 1; 0 before the first event.
    pub round: usize,
    /// The signal that asked the run to stop.
    pub signal: Option<i32>,
    /// Outcomes and total seconds, once the run has ended.
    pub end: Option<(Counts, f64)>,
    later_trials: Option<usize>,
    schedule: Schedule,
    /// Positions in `schedule`, by name.
    positions: HashMap<String, usize>,
    phases: Vec<Phase>,
    /// Times of the instances that have succeeded, by stage.
    took: HashMap<String, Vec<f64>>,
}

/// A stage that waits for another run, which makes the same result.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitingStage {
    /// The instance: `cnn[model1]`.
    pub name: String,
    /// The runs that may be making the result; empty if they are not known.
    pub runs: Vec<String>,
}

/// A stage that runs, or that was stopped while it ran.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningStage {
    /// The instance: `cnn[model1]`.
    pub name: String,
    pub reason: String,
    pub started: f64,
    /// The place where it waits or runs, if it is not this machine.
    pub place: Option<Place>,
    /// Position from which it resumed.
    pub resumed: Option<Position>,
    /// Its last checkpoint of this run.
    pub checkpoint: Option<Position>,
    /// The last progress, and its time.
    pub progress: Option<(Progress, f64)>,
    /// Time of the first progress in the current unit, and what was done then; `None` while there was no other unit
    /// before.
    unit_since: Option<(f64, f64)>,
}

/// Place of a stage that another machine runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the machine, once the stage runs there.
    pub node: Option<String>,
    /// Sentence fragment: `waits as Slurm job 17`.
    pub text: String,
    /// `true` if the stage goes on there when the run is stopped.
    pub outlives_run: bool,
}

impl RunningStage {
    /// `true` if it waits for a machine.
    pub fn is_queued(&self) -> bool {
        let place = self.place.as_ref();
        place.is_some_and(|place| place.node.is_none())
    }

    /// `true` if it goes on when the run is stopped.
    pub fn outlives_run(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.outlives_run)
    }

    /// Estimates the seconds left from the progress since the start. `None` without progress, and while it waits for a
    /// machine.
    pub fn left(&self, now: f64) -> Option<f64> {
        if self.is_queued() {
            return None;
        }
        let (progress, at) = self.progress.as_ref()?;
        let resumed = self.resumed.map_or(0.0, |from| from.epoch as f64);
        let (since, done) = self.unit_since.unwrap_or((self.started, resumed));
        if at - since < SHORTEST {
            return None;
        }
        let left = wording::seconds_left(progress, done, at - since)?;
        Some((left - (now - at)).max(0.0))
    }

    /// The checkpoint from which the stage resumes if it is stopped now.
    pub fn resumes_after(&self) -> Option<Position> {
        self.checkpoint.max(self.resumed)
    }
}

impl RunProgress {
    /// Reads the state of the run in `folder` from its events. Times are seconds since its first event. Also returns
    /// time of that event.
    ///
    /// # Errors
    /// If the events cannot be read.
    pub fn read(folder: &Path) -> Result<(Self, Option<Timestamp>), FollowError> {
        let mut progress = Self::default();
        let mut first = None;
        replay_events(folder, ProgressDetail::Last, |read| {
            let began = *first.get_or_insert(read.time);
            progress.apply(&read.event, read.seconds_since(began));
        })?;
        Ok((progress, first))
    }

    /// Takes account of an event that happened at `at`.
    pub fn apply(&mut self, event: &Event, at: f64) {
        match event {
            Event::RunStarted {
                run,
                pipeline,
                stages,
                device,
                ..
            } => {
                self.run.clone_from(run);
                self.pipeline.clone_from(pipeline);
                self.device.clone_from(device);
                self.stages = *stages;
                self.round = 1;
            }
            Event::RoundStarted { round, stages, .. } => {
                self.stages += stages;
                self.round = *round;
            }
            Event::Scheduled {
                schedule,
                later_trials,
            } => self.set_schedule(schedule, *later_trials),
            Event::StageWaits { stage, runs } => self.waiting.push(WaitingStage {
                name: stage.clone(),
                runs: runs.clone(),
            }),
            Event::StageStarted { stage, reason } => {
                self.waiting.retain(|waiting| waiting.name != *stage);
                // A stage that is retried starts again, but keeps its checkpoints.
                let before = self.running.iter().position(|r| r.name == *stage);
                let before = before.map(|position| self.running.remove(position));
                self.running.push(RunningStage {
                    name: stage.clone(),
                    reason: reason.clone(),
                    started: at,
                    place: None,
                    resumed: None,
                    checkpoint: before.and_then(|before| before.resumes_after()),
                    progress: None,
                    unit_since: None,
                });
            }
            Event::StagePlace {
                stage,
                node,
                text,
                outlives_run,
            } => {
                let place = Some(Place {
                    node: node.clone(),
                    text: text.clone(),
                    outlives_run: *outlives_run,
                });
                self.with_running(stage, |running| {
                    if node.is_some() {
                        // The time before is not part of its own.
                        running.started = at;
                    }
                    running.place = place;
                });
            }
            Event::StageResumed { stage, from } => {
                self.with_running(stage, |running| running.resumed = Some(*from));
            }
            Event::StageCheckpoint {
                stage, position, ..
            } => self.with_running(stage, |running| running.checkpoint = Some(*position)),
            Event::StageProgress { stage, progress } => {
                self.with_running(stage, |running| {
                    let before = running.progress.as_ref();
                    if before.is_some_and(|(before, _)| before.unit != progress.unit) {
                        running.unit_since = Some((at, progress.done));
                    }
                    running.progress = Some((progress.clone(), at));
                });
            }
            Event::StageEnded { stage } => self.end_stage(stage),
            Event::Interrupted { signal } => self.signal = self.signal.or(Some(*signal)),
            Event::RunEnded { counts, seconds } => self.end = Some((*counts, *seconds)),
            Event::StageStartsOver { stage, .. } => self.with_running(stage, |running| {
                running.resumed = None;
                running.checkpoint = None;
            }),
            Event::StagePicture { .. }
            | Event::StageWarning { .. }
            | Event::StageNote { .. }
            | Event::TrialJudged { .. }
            | Event::RoundEnded { .. } => {}
        }
    }

    fn set_schedule(&mut self, schedule: &Schedule, later_trials: Option<usize>) {
        self.schedule = schedule.clone();
        self.later_trials = later_trials;
        let names = schedule.stages.iter().map(|stage| stage.name.clone());
        self.positions = names.zip(0..).collect();
        self.phases = vec![Phase::Waiting; schedule.stages.len()];
    }

    fn with_running(&mut self, stage: &str, change: impl FnOnce(&mut RunningStage)) {
        let found = self
            .running
            .iter_mut()
            .find(|running| running.name == stage);
        if let Some(running) = found {
            change(running);
        }
    }

    fn end_stage(&mut self, report: &StageReport) {
        self.counts.add(report.outcome);
        self.waiting.retain(|waiting| waiting.name != report.name);
        let position = self.running.iter().position(|r| r.name == report.name);
        let running = position.map(|position| self.running.remove(position));
        if let Some(&position) = self.positions.get(&report.name) {
            self.phases[position] = match report.outcome.has_outputs() {
                true => Phase::Done,
                false => Phase::Failed,
            };
        }
        let Some(running) = running else {
            return;
        };
        match (report.outcome, report.seconds) {
            (Outcome::Succeeded, Some(seconds)) if running.resumed.is_none() => {
                let took = self.took.entry(stage(&report.name).to_owned());
                took.or_default().push(seconds);
            }
            // It goes on elsewhere.
            (Outcome::Cancelled, _) if report.left.is_some() => {}
            (Outcome::Cancelled, _) => self.stopped.push(running),
            // With a second signal, stages are killed, and may count as failed.
            (Outcome::Failed, _) if self.signal.is_some() => self.stopped.push(running),
            _ => {}
        }
    }

    /// Returns `true` if at least one stage has to be executed in this round.
    pub fn has_work(&self) -> bool {
        !self.schedule.stages.is_empty()
    }

    /// Estimates the time until the round ends: from the rates of running stages, the times that were forecast, and
    /// the times of other instances of the same stage in this run.
    pub fn left(&self, now: f64) -> TimeLeft {
        let mut phases = self.phases.clone();
        let mut seconds: Vec<Option<f64>> =
            self.schedule.stages.iter().map(|s| s.seconds).collect();
        let mut typical: HashMap<&str, Option<f64>> = HashMap::new();
        for (index, scheduled) in self.schedule.stages.iter().enumerate() {
            if seconds[index].is_none() {
                let stage = stage(&scheduled.name);
                let known = typical
                    .entry(stage)
                    .or_insert_with(|| self.typical(stage, now));
                seconds[index] = *known;
            }
        }
        for running in &self.running {
            if let Some(&position) = self.positions.get(&running.name) {
                let spent = match running.is_queued() {
                    true => 0.0,
                    false => now - running.started,
                };
                let expected = seconds[position].map(|seconds| seconds - spent);
                // A stage that takes longer than expected may take any time.
                let expected = expected.filter(|left| *left > 0.0);
                phases[position] = Phase::Running(running.left(now).or(expected));
            }
        }
        self.schedule.left(&phases, &seconds)
    }

    /// The median time of the instances of `stage` in this run: of those that have ended, and of those that run and
    /// report progress.
    fn typical(&self, stage_name: &str, now: f64) -> Option<f64> {
        let mut times = self.took.get(stage_name).cloned().unwrap_or_default();
        let running = self.running.iter();
        let running = running.filter(|r| r.resumed.is_none() && stage(&r.name) == stage_name);
        times.extend(running.filter_map(|r| Some(r.left(now)? + (now - r.started))));
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    }
}

/// The stage of an instance: `cnn` of `cnn[model1]`.
fn stage(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}
