//! [`RunProgress`]: the state of a run, from its events. The terminal, `runner runs show` and pages show it.

use std::collections::HashMap;
use std::path::Path;

use contract::{Position, Progress};
use jiff::Timestamp;

use super::follow::{FollowError, ProgressDetail, replay_events};
use crate::event::{Event, StageReport};
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

/// A stage that runs, or that was stopped while it ran.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningStage {
    /// The instance: `cnn[model1]`.
    pub name: String,
    pub reason: String,
    pub started: f64,
    /// Position from which it resumed.
    pub resumed: Option<Position>,
    /// Its last checkpoint of this run.
    pub checkpoint: Option<Position>,
    /// The last progress, and its time.
    pub progress: Option<(Progress, f64)>,
}

impl RunningStage {
    /// Estimates the seconds left from the progress since the start. `None` without progress.
    pub fn left(&self, now: f64) -> Option<f64> {
        let (progress, at) = self.progress.as_ref()?;
        if at - self.started < SHORTEST {
            return None;
        }
        let start = self.resumed.map_or(0.0, |from| from.epoch as f64);
        let left = wording::seconds_left(progress, start, at - self.started)?;
        Some((left - (now - at)).max(0.0))
    }

    /// The checkpoint from which the stage resumes if it is stopped now.
    pub fn resumes_after(&self) -> Option<Position> {
        self.checkpoint.max(self.resumed)
    }

    /// Progress, and the position from which the next run resumes: `cnn: epoch 7/20; resumes after epoch 6`.
    pub fn stopped_text(&self) -> String {
        let reached = self.progress.as_ref().map(|(progress, _)| {
            let (unit, done, total) = (&progress.unit, progress.done.ceil(), progress.total);
            format!("{unit} {done}/{total}; ")
        });
        let next = match self.resumes_after() {
            Some(position) => format!("resumes after {position}"),
            None => "starts over, because it has no checkpoint".to_owned(),
        };
        format!("{}: {}{next}", self.name, reached.unwrap_or_default())
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
            Event::StageStarted { stage, reason } => {
                // A stage that is retried starts again.
                self.running.retain(|running| running.name != *stage);
                self.running.push(RunningStage {
                    name: stage.clone(),
                    reason: reason.clone(),
                    started: at,
                    resumed: None,
                    checkpoint: None,
                    progress: None,
                });
            }
            Event::StageResumed { stage, from } => {
                self.with_running(stage, |running| running.resumed = Some(*from));
            }
            Event::StageCheckpoint {
                stage, position, ..
            } => self.with_running(stage, |running| running.checkpoint = Some(*position)),
            Event::StageProgress { stage, progress } => {
                let progress = Some((progress.clone(), at));
                self.with_running(stage, |running| running.progress = progress);
            }
            Event::StageEnded { stage } => self.end_stage(stage),
            Event::Interrupted { signal } => self.signal = self.signal.or(Some(*signal)),
            Event::RunEnded { counts, seconds } => self.end = Some((*counts, *seconds)),
            Event::StageStartsOver { .. }
            | Event::StagePicture { .. }
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
            // Stages are asked to stop before the signal is announced, so a short one may end before it.
            (Outcome::Cancelled, _) => self.stopped.push(running),
            // With a second signal, stages are killed, and may count as failed.
            (Outcome::Failed, _) if self.signal.is_some() => self.stopped.push(running),
            _ => {}
        }
    }

    /// Whether at least one stage has to be executed in this round.
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
                let expected = seconds[position].map(|seconds| seconds - (now - running.started));
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

    /// A line about the run: `12 of 30 stages, 2 running; about 3 min left`.
    pub fn line(&self, now: f64) -> String {
        let left = match self.signal {
            Some(_) => "stopping".to_owned(),
            None => self.left_text(now),
        };
        format!("{}; {left}", self.counts_text())
    }

    /// `12 of 30 stages (1 failed), 2 running`.
    pub fn counts_text(&self) -> String {
        let failed = match self.counts.failed {
            0 => String::new(),
            failed => format!(" ({failed} failed)"),
        };
        format!(
            "{} of {}{failed}, {} running",
            self.counts.total(),
            wording::stages(self.stages),
            self.running.len()
        )
    }

    /// The time left, and what it does not include: `about 3 min left`.
    pub fn left_text(&self, now: f64) -> String {
        let round = match self.later_trials {
            Some(_) => format!(" in round {}", self.round),
            None => String::new(),
        };
        let later = match self.later_trials {
            None => String::new(),
            Some(0) => "; later rounds may follow".to_owned(),
            Some(trials) => format!(
                "; {} follow in later rounds",
                wording::counted(trials, "trial")
            ),
        };
        format!("{}{later}", time_left(self.left(now), &round))
    }

    /// Progress of a stopped run, and the way to continue, one line each. Empty if nothing asked it to stop.
    pub fn stopped_lines(&self) -> Vec<String> {
        if self.signal.is_none() {
            return Vec::new();
        }
        let mut lines: Vec<String> = self
            .stopped
            .iter()
            .map(RunningStage::stopped_text)
            .collect();
        let done = self.counts.cached + self.counts.succeeded;
        lines.push(format!(
            "stopped: {done} of {} done; the same command continues from here",
            wording::stages(self.stages)
        ));
        lines
    }
}

/// The stage of an instance: `cnn` of `cnn[model1]`.
fn stage(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

/// `about 3 min left`; `at least 3 min left: 2 stages have never finished here`. `of` follows `left`.
fn time_left(left: TimeLeft, of: &str) -> String {
    let unknown = left.unknown;
    let never = match unknown {
        1 => "1 stage has never finished here".to_owned(),
        _ => format!("{} have never finished here", wording::stages(unknown)),
    };
    match left.seconds {
        Some(seconds) if unknown == 0 => {
            format!("{} left{of}", wording::about_in_words(seconds))
        }
        Some(seconds) if seconds >= 0.95 => {
            format!("at least {} left{of}: {never}", wording::about(seconds))
        }
        _ => format!("time left{of} unknown: {never}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::keys::Key;

    fn ended(name: &str, outcome: Outcome) -> Event {
        let key: Key = "0".repeat(64).parse().unwrap();
        Event::StageEnded {
            stage: StageReport::not_executed(name, outcome, &key),
        }
    }

    #[test]
    fn a_stage_counts_as_stopped_even_if_it_ends_before_the_signal_is_announced() {
        let mut progress = RunProgress::default();
        progress.apply(
            &Event::StageStarted {
                stage: "a".to_owned(),
                reason: String::new(),
            },
            0.0,
        );
        progress.apply(&ended("a", Outcome::Cancelled), 0.1);
        progress.apply(&ended("b", Outcome::Cancelled), 0.1);
        progress.apply(&Event::Interrupted { signal: 15 }, 0.1);
        let lines = progress.stopped_lines();
        assert_eq!(lines[0], "a: starts over, because it has no checkpoint");
        assert_eq!(lines.len(), 2, "`b` never ran: {lines:?}");
    }
}
