//! Progress as bars on a terminal: one for each running stage, and a line for the whole run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract::{lock, one_line};
use engine::event::{Event, Observer};
use engine::wording;
use indicatif::{ProgressBar, ProgressStyle};

use super::Console;
use super::live::{Display, Live, Viewer};
use super::ticker::Ticker;

/// Length of a bar, in steps.
const PARTS: u64 = 1000;
/// Time between two estimates of the time left.
const INTERVAL: Duration = Duration::from_secs(1);

/// Draws a bar for each running stage, below the lines of stages that ended. The lowest line is about the whole run.
pub(super) struct Bars(Arc<Mutex<State>>);

struct State {
    live: Live,
    overall: ProgressBar,
    running: HashMap<String, ProgressBar>,
    /// The time left, as text. It is not computed after every event, because that takes long if there are many stages.
    left: String,
    ticker: Option<Ticker>,
}

impl Bars {
    pub(super) fn new(console: Console, viewer: Viewer) -> Self {
        let overall = ProgressBar::new(0).with_style(style("{wide_msg}"));
        let overall = console.bars().add(overall);
        Self(Arc::new(Mutex::new(State {
            live: Live::new(console, viewer),
            overall,
            running: HashMap::new(),
            left: String::new(),
            ticker: None,
        })))
    }

    /// Starts to estimate the time left.
    fn start_ticker(&self, state: &mut State) {
        let shared = Arc::downgrade(&self.0);
        let tick = move || {
            if let Some(shared) = shared.upgrade() {
                lock(&shared).estimate();
            }
        };
        state.ticker = Ticker::start(INTERVAL, tick);
    }
}

impl State {
    fn estimate(&mut self) {
        let progress = &self.live.progress;
        if progress.end.is_none() && progress.signal.is_none() {
            self.left = format!("; {}", progress.left_text(self.live.now()));
        }
        self.draw_overall();
    }

    fn draw_overall(&self) {
        let progress = &self.live.progress;
        if progress.end.is_some() || !progress.has_work() {
            return;
        }
        let left = match progress.signal {
            Some(_) => "; stopping",
            None => self.left.as_str(),
        };
        let so_far = wording::duration(self.live.now().floor());
        let message = format!("{}{left} ({so_far} so far)", progress.counts_text());
        self.overall.set_message(one_line(&message).into_owned());
    }

    fn clear(&self, bar: Option<ProgressBar>) {
        if let Some(bar) = bar {
            bar.finish_and_clear();
            self.live.console.bars().remove(&bar);
        }
    }

    fn add(&mut self, stage: &str, reason: &str) {
        let bar = ProgressBar::new(PARTS)
            .with_style(style("{prefix:20.cyan} {bar:20.cyan} {wide_msg}"))
            .with_prefix(one_line(stage).into_owned())
            .with_message(one_line(reason).into_owned());
        let bars = self.live.console.bars();
        let bar = bars.insert_before(&self.overall, bar);
        bar.tick();
        let earlier = self.running.insert(stage.to_owned(), bar);
        // A retried stage starts again with a new bar.
        self.clear(earlier);
    }

    /// Draws the progress of a stage.
    fn draw(&self, stage: &str, at: f64) {
        let running = self.live.progress.running.iter();
        let mut running = running.filter(|running| running.name == stage);
        let (Some(bar), Some(running)) = (self.running.get(stage), running.next()) else {
            return;
        };
        let Some((progress, _)) = &running.progress else {
            return;
        };
        if progress.total > 0.0 {
            bar.set_position((progress.done / progress.total * PARTS as f64) as u64);
        }
        let left = running.left(at);
        let left = left.map(|seconds| format!(", {} left", wording::duration(seconds)));
        let message = format!(
            "{}{}",
            wording::progress(progress),
            left.unwrap_or_default()
        );
        bar.set_message(one_line(&message).into_owned());
    }
}

impl Observer for Bars {
    fn observe(&self, event: &Event) {
        let now = lock(&self.0).live.now();
        self.show(event, now);
    }
}

impl Display for Bars {
    fn show(&self, event: &Event, at: f64) {
        let mut state = lock(&self.0);
        state.live.print(event, at);
        match event {
            Event::Scheduled { .. } => {
                state.estimate();
                if state.ticker.is_none() {
                    self.start_ticker(&mut state);
                }
            }
            Event::StageStarted { stage, reason } => {
                state.add(stage, reason);
                state.draw_overall();
            }
            // Many stages may be in the queue of a cluster, and they have no progress.
            Event::StagePlace {
                stage, node: None, ..
            } => {
                let queued = state.running.remove(stage);
                state.clear(queued);
                state.draw_overall();
            }
            Event::StagePlace { stage, text, .. } => {
                state.add(stage, text);
                state.draw_overall();
            }
            Event::StageProgress { stage, .. } => state.draw(stage, at),
            Event::StageEnded { stage } => {
                let ended = state.running.remove(&stage.name);
                state.clear(ended);
                state.draw_overall();
            }
            Event::StageWaits { .. } | Event::Interrupted { .. } => state.draw_overall(),
            Event::RunEnded { .. } => {
                state.ticker = None;
                state.overall.finish_and_clear();
            }
            _ => {}
        }
    }
}

fn style(template: &'static str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}
