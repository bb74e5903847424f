//! Records the events of a run in its folder.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use contract::{ShowPath, lock};
use jiff::Timestamp;
use serde::Serialize;

use super::files::EVENTS_FILE;
use crate::event::{Event, Observer};

/// Shortest time between two recorded progress events of one stage.
const SPACING: Duration = Duration::from_secs(1);

/// Appends each event with its time to `events.jsonl`. Progress of a stage is recorded at most once a second, and
/// before each of its checkpoints: readers never see a checkpoint that is ahead of the progress.
pub struct EventLog {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    /// Progress of running stages.
    progress: HashMap<String, StageLog>,
}

/// Recorded progress of a stage.
struct StageLog {
    recorded: Instant,
    /// The last progress, if it was not recorded.
    left_out: Option<Event>,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    event: &'a Event,
}

impl EventLog {
    pub fn create(folder: &Path) -> io::Result<Self> {
        let path = folder.join(EVENTS_FILE);
        let state = State {
            file: File::create(&path)?,
            progress: HashMap::new(),
        };
        Ok(Self {
            path,
            state: Mutex::new(state),
        })
    }
}

impl State {
    /// Returns `true` if a progress event is to be recorded now. One that is not is remembered.
    fn is_due(&mut self, stage: &str, event: &Event) -> bool {
        if let Some(log) = self.progress.get_mut(stage)
            && log.recorded.elapsed() < SPACING
        {
            log.left_out = Some(event.clone());
            return false;
        }
        let log = StageLog {
            recorded: Instant::now(),
            left_out: None,
        };
        self.progress.insert(stage.to_owned(), log);
        true
    }

    fn record(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::StageProgress { stage, .. } if !self.is_due(stage, event) => return Ok(()),
            Event::StageCheckpoint { stage, .. } => {
                let log = self.progress.get_mut(stage);
                if let Some(progress) = log.and_then(|log| log.left_out.take()) {
                    self.write(&progress)?;
                }
            }
            // A stage that is retried starts again.
            Event::StageStarted { stage, .. } => {
                self.progress.remove(stage);
            }
            Event::StageEnded { stage } => {
                self.progress.remove(&stage.name);
            }
            _ => {}
        }
        self.write(event)
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        let line = Line {
            time: Timestamp::now().to_string(),
            event,
        };
        // One write per line, so that a killed run leaves whole lines.
        let text = serde_json::to_string(&line)?;
        self.file.write_all(format!("{text}\n").as_bytes())
    }
}

impl Observer for EventLog {
    fn observe(&self, event: &Event) {
        if let Err(error) = lock(&self.state).record(event) {
            tracing::warn!("failed to write `{}`: {error}", self.path.shown());
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::{Position, Progress};

    use super::*;
    use crate::run::progress::RunProgress;

    fn progress(done: f64) -> Event {
        Event::StageProgress {
            stage: "cnn".to_owned(),
            progress: Progress {
                unit: "epoch".to_owned(),
                done,
                total: 4000.0,
                figures: Vec::new(),
                measurement: None,
            },
        }
    }

    #[test]
    fn a_checkpoint_is_never_ahead_of_the_recorded_progress() {
        let folder = tempfile::tempdir().unwrap();
        let log = EventLog::create(folder.path()).unwrap();
        let stage = "cnn".to_owned();
        let reason = "first run".to_owned();
        log.observe(&Event::StageStarted { stage, reason });
        for epoch in 1..=55 {
            log.observe(&progress(f64::from(epoch)));
        }
        log.observe(&Event::StageCheckpoint {
            stage: "cnn".to_owned(),
            position: Position::after(55),
            seconds: 0.1,
        });
        let (seen, _) = RunProgress::read(folder.path()).unwrap();
        let running = &seen.running[0];
        assert_eq!(running.checkpoint, Some(Position::after(55)));
        let (progress, _) = running.progress.as_ref().unwrap();
        assert_eq!(progress.done, 55.0);
        let lines = std::fs::read_to_string(folder.path().join(EVENTS_FILE)).unwrap();
        assert!(lines.lines().count() < 20, "{lines}");
    }
}
