//! Applies the events of a run to [`LiveRun`].

use engine::event::{Event, StageReport};
use jiff::Timestamp;

use super::run::LiveRun;
use super::stage::{LiveState, NewestPicture, Running};

/// Number of warnings of a running stage that are kept.
const WARNINGS: usize = 20;

impl LiveRun {
    /// Takes account of an event that ends at the offset `end` of the file.
    pub(super) fn apply(&mut self, event: Event, time: Timestamp, end: u64) {
        match event {
            Event::RunStarted { .. } | Event::RoundStarted { .. } => {
                self.read_plan();
                self.changed = end;
            }
            Event::StageStarted { stage, reason } => {
                self.changed = end;
                if let Some(stage) = self.stage(&stage) {
                    stage.changed = end;
                    stage.touched = end;
                    stage.state = LiveState::Running(Box::new(Running::new(time, reason)));
                }
            }
            Event::StagePlace { stage, text, .. } => {
                self.changed = end;
                if let Some(running) = self.running(&stage, end) {
                    running.place = Some(text);
                }
            }
            Event::StageProgress { stage, progress } => {
                self.changed = end;
                if let Some(running) = self.running(&stage, end) {
                    running.start.get_or_insert((progress.done, time));
                    running.series.add(&progress);
                    running.progress = Some(progress);
                }
            }
            Event::StagePicture { stage, caption } => {
                self.changed = end;
                if let Some(running) = self.running(&stage, end) {
                    running.picture = Some(NewestPicture { caption, at: end });
                }
            }
            Event::StageWarning { stage, message, .. } => {
                self.changed = end;
                if let Some(running) = self.running(&stage, end) {
                    running.warnings.push(message);
                    let surplus = running.warnings.len().saturating_sub(WARNINGS);
                    running.warnings.drain(..surplus);
                }
            }
            Event::StageEnded { stage } => {
                self.changed = end;
                self.end_stage(stage, end);
            }
            Event::Interrupted { .. } => {
                self.is_stopping = true;
                self.changed = end;
            }
            // The record tells how the run ended; the other events change nothing that is shown here.
            _ => {}
        }
    }

    pub(super) fn end_stage(&mut self, report: StageReport, end: u64) {
        let Some(stage) = self.stage(&report.name) else {
            return;
        };
        if matches!(stage.state, LiveState::Ended(_)) {
            return;
        }
        let outcome = report.outcome;
        stage.state = LiveState::Ended(Box::new(report));
        stage.changed = end;
        stage.touched = end;
        self.counts.add(outcome);
    }

    /// A running stage, about which an event tells that ends at `end`.
    fn running(&mut self, name: &str, end: u64) -> Option<&mut Running> {
        let stage = self.stage(name)?;
        stage.touched = end;
        match &mut stage.state {
            LiveState::Running(running) => Some(running),
            LiveState::Waiting | LiveState::Ended(_) => None,
        }
    }
}
