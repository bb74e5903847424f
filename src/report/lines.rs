//! Progress as plain lines, for output that is not a terminal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract::{Progress, lock};
use engine::event::{Event, Observer};
use engine::wording;

use super::live::{Display, Live, Viewer};
use super::ticker::Ticker;
use super::{Console, Verbosity};

/// Shortest time between two progress lines of one stage, in seconds.
const SPACING: f64 = 15.0;
/// Time between two lines about the whole run.
const INTERVAL: Duration = Duration::from_secs(30);

/// Writes a line when a stage starts, when it ends, and occasionally in between. While the run goes on, also writes a
/// line about the whole run every 30 seconds.
pub(super) struct Lines(Arc<Mutex<State>>);

struct State {
    live: Live,
    /// Time of the last line of each running stage.
    spoke: HashMap<String, f64>,
    ticker: Option<Ticker>,
}

impl Lines {
    pub(super) fn new(console: Console, viewer: Viewer) -> Self {
        Self(Arc::new(Mutex::new(State {
            live: Live::new(console, viewer),
            spoke: HashMap::new(),
            ticker: None,
        })))
    }

    /// Starts to write lines about the whole run.
    fn start_ticker(&self, state: &mut State) {
        let shared = Arc::downgrade(&self.0);
        let tick = move || {
            if let Some(shared) = shared.upgrade() {
                let state = lock(&shared);
                let live = &state.live;
                if live.progress.end.is_none() {
                    live.console.message(&live.progress.line(live.now()));
                }
            }
        };
        state.ticker = Ticker::start(INTERVAL, tick);
    }
}

impl State {
    fn progress(&mut self, stage: &str, progress: &Progress, at: f64) {
        let Some(spoke) = self.spoke.get_mut(stage) else {
            return;
        };
        if at - *spoke < SPACING {
            return;
        }
        *spoke = at;
        let running = &self.live.progress.running;
        let running = running.iter().find(|running| running.name == stage);
        let left = running.and_then(|running| running.left(at));
        let left = left.map(|seconds| format!(", {} left", wording::duration(seconds)));
        self.live.console.message(&format!(
            "{stage}: {}{}",
            wording::progress(progress),
            left.unwrap_or_default()
        ));
    }
}

impl Observer for Lines {
    fn observe(&self, event: &Event) {
        let now = lock(&self.0).live.now();
        self.show(event, now);
    }
}

impl Display for Lines {
    fn show(&self, event: &Event, at: f64) {
        let mut state = lock(&self.0);
        let chatty = state.live.console.verbosity > Verbosity::Quiet;
        state.live.print(event, at);
        match event {
            Event::Scheduled { .. } if chatty && state.ticker.is_none() => {
                self.start_ticker(&mut state);
            }
            Event::StageStarted { stage, reason } => {
                state.spoke.insert(stage.clone(), at);
                if chatty {
                    let line = format!("{stage}: starts ({reason})");
                    state.live.console.message(&line);
                }
            }
            Event::StagePlace { stage, text, .. } if chatty => {
                state.live.console.message(&format!("{stage}: {text}"));
            }
            Event::StageProgress { stage, progress } if chatty => {
                state.progress(stage, progress, at);
            }
            Event::StageEnded { stage } => {
                state.spoke.remove(&stage.name);
            }
            Event::RunEnded { .. } => state.ticker = None,
            _ => {}
        }
    }
}
