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

/// Appends each event with its time to `events.jsonl`. Progress of a stage is recorded at most once a
/// second.
pub struct EventLog {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    last_progress: HashMap<String, Instant>,
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
            last_progress: HashMap::new(),
        };
        Ok(Self {
            path,
            state: Mutex::new(state),
        })
    }
}

impl Observer for EventLog {
    fn observe(&self, event: &Event) {
        let mut state = lock(&self.state);
        if let Event::StageProgress { stage, .. } = event {
            if state
                .last_progress
                .get(stage)
                .is_some_and(|last_progress| last_progress.elapsed() < SPACING)
            {
                return;
            }
            state.last_progress.insert(stage.clone(), Instant::now());
        }
        let line = Line {
            time: Timestamp::now().to_string(),
            event,
        };
        // One write per line, so that a killed run leaves whole lines.
        let written = serde_json::to_string(&line)
            .map_err(io::Error::from)
            .and_then(|text| state.file.write_all(format!("{text}\n").as_bytes()));
        if let Err(error) = written {
            tracing::warn!("failed to write `{}`: {error}", self.path.shown());
        }
    }
}
