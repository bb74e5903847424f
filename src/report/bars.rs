//! Progress as bars on a terminal: one for each running stage, and a line for the whole run.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use contract::{Progress, lock, one_line};
use engine::event::{Event, Observer};
use engine::wording;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Console, Warnings, lines};

/// Length of a bar, in steps.
const PARTS: u64 = 1000;

/// Draws a bar for each running stage, below the lines of stages that ended.
pub struct Bars {
    console: Console,
    overall: ProgressBar,
    running: Mutex<HashMap<String, Running>>,
    warnings: Mutex<Warnings>,
}

struct Running {
    bar: ProgressBar,
    /// Epochs that were already done when the stage resumed from a checkpoint, else 0.
    start: f64,
}

impl Bars {
    pub fn new(console: Console) -> Self {
        let overall = console
            .bars()
            .add(ProgressBar::new(0).with_style(style("{pos}/{len} stages  {elapsed}{msg}")));
        Self {
            console,
            overall,
            running: Mutex::default(),
            warnings: Mutex::default(),
        }
    }

    fn clear(&self, running: Option<Running>) {
        if let Some(Running { bar, .. }) = running {
            bar.finish_and_clear();
            self.console.bars().remove(&bar);
        }
    }

    fn progress(&self, stage: &str, progress: &Progress) {
        let running = lock(&self.running);
        let Some(Running { bar, start }) = running.get(stage) else {
            return;
        };
        if progress.total > 0.0 {
            bar.set_position((progress.done / progress.total * PARTS as f64) as u64);
        }
        let left = wording::seconds_left(progress, *start, bar.elapsed().as_secs_f64())
            .map(|seconds| format!(", {} left", wording::duration(seconds)));
        let progress = wording::progress(progress);
        let message = format!("{progress}{}", left.unwrap_or_default());
        bar.set_message(one_line(&message).into_owned());
    }
}

impl Observer for Bars {
    fn observe(&self, event: &Event) {
        match event {
            Event::RunStarted { stages, .. } => {
                self.overall.set_length(*stages as u64);
                self.overall.enable_steady_tick(Duration::from_millis(200));
            }
            Event::RoundStarted { stages, .. } => self.overall.inc_length(*stages as u64),
            Event::StageStarted { stage, reason } => {
                let bar = ProgressBar::new(PARTS)
                    .with_style(style("{prefix:20.cyan} {bar:20.cyan} {msg}"))
                    .with_prefix(one_line(stage).into_owned())
                    .with_message(one_line(reason).into_owned());
                let bar = self.console.bars().insert_before(&self.overall, bar);
                bar.tick();
                let running = Running { bar, start: 0.0 };
                let earlier = lock(&self.running).insert(stage.clone(), running);
                // A retried stage starts again with a new bar.
                self.clear(earlier);
            }
            Event::StageResumed { stage, from } => {
                let mut running = lock(&self.running);
                if let Some(running) = running.get_mut(stage) {
                    running.start = from.epoch as f64;
                }
            }
            Event::StageProgress { stage, progress } => return self.progress(stage, progress),
            Event::StageEnded { stage } => {
                self.overall.inc(1);
                let ended = lock(&self.running).remove(&stage.name);
                self.clear(ended);
            }
            Event::Interrupted { .. } => self.overall.set_message(", stopping"),
            Event::RunEnded { .. } => self.overall.finish_and_clear(),
            _ => {}
        }
        lines::print_event(&self.console, &self.warnings, event);
    }
}

fn style(template: &'static str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}
