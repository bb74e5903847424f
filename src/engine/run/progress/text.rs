//! Describes the progress of a run in words.

use std::collections::BTreeSet;

use super::{RunProgress, RunningStage};
use crate::scheduler::{Counts, TimeLeft};
use crate::wording;

impl RunningStage {
    /// Progress, and the position from which the next run resumes: `cnn: epoch 7/20; resumes after epoch 6`.
    pub fn stopped_text(&self) -> String {
        let reached = self.progress.as_ref().map(|(progress, _)| {
            let (unit, done, total) = (&progress.unit, progress.done.ceil(), progress.total);
            format!("{unit} {done}/{total}; ")
        });
        let next = match self.resumes_after() {
            Some(position) => format!("resumes after {position}"),
            None if self.is_queued() => "had not started".to_owned(),
            None => "starts over, because it has no checkpoint".to_owned(),
        };
        format!("{}: {}{next}", self.name, reached.unwrap_or_default())
    }
}

impl RunProgress {
    /// A line about the run: `12 of 30 stages, 2 running; about 3 min left`.
    pub fn line(&self, now: f64) -> String {
        let left = match self.signal {
            Some(_) => "stopping".to_owned(),
            None => self.left_text(now),
        };
        format!("{}; {left}", self.counts_text())
    }

    /// `12 of 30 stages (1 failed), 2 running`. Stages that were skipped or cancelled are not counted as done.
    pub fn counts_text(&self) -> String {
        let Counts {
            cached,
            succeeded,
            failed,
            skipped,
            cancelled,
        } = self.counts;
        let done = cached + succeeded + failed;
        let parts = [
            (failed, "failed"),
            (skipped, "skipped"),
            (cancelled, "cancelled"),
        ];
        let parts = parts.into_iter().filter(|&(count, _)| count > 0);
        let parts: Vec<String> = parts
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let not_good = match parts.is_empty() {
            true => String::new(),
            false => format!(" ({})", parts.join(", ")),
        };
        let queued = self.running.iter().filter(|stage| stage.is_queued());
        let queued = queued.count();
        let (running, waiting) = (self.running.len() - queued, self.waiting_text());
        let mut now = Vec::new();
        if running > 0 || (queued == 0 && waiting.is_none()) {
            now.push(format!("{running} running"));
        }
        if queued > 0 {
            now.push(format!("{queued} queued"));
        }
        now.extend(waiting);
        let now = now.join(", ");
        format!(
            "{done} of {}{not_good}, {now}",
            wording::stages(self.stages)
        )
    }

    /// `1 waits for run 20261123-081500-0042`. `None` if no stage waits for another run.
    fn waiting_text(&self) -> Option<String> {
        let all = self.waiting.iter().flat_map(|waiting| &waiting.runs);
        let runs: BTreeSet<&str> = all.map(String::as_str).collect();
        let runs: Vec<&str> = runs.into_iter().collect();
        match self.waiting.len() {
            0 => None,
            1 => Some(format!("1 waits for {}", wording::runs(&runs))),
            count => Some(format!("{count} wait for {}", wording::runs(&runs))),
        }
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
            Some(1) => "; 1 trial follows in later rounds".to_owned(),
            Some(trials) => format!("; {trials} trials follow in later rounds"),
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
