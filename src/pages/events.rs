//! [`Events`]: facts about a run's stages that only its events record.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use contract::{Position, Progress};
use engine::run::files::EVENTS_FILE;
use serde::Deserialize;
use store::{Found, read_file};

use crate::stage::Start;

/// Facts about a run's stages, by name.
#[derive(Default)]
pub(crate) struct Events {
    /// The stages whose execution started.
    pub starts: HashMap<String, Start>,
    /// The newest progress of each stage.
    pub progress: BTreeMap<String, Progress>,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Event {
    StageStarted {
        stage: String,
        reason: String,
    },
    StageResumed {
        stage: String,
        from: Position,
    },
    StageStartsOver {
        stage: String,
        why: String,
    },
    StageProgress {
        stage: String,
        progress: Progress,
    },
    #[serde(other)]
    Other,
}

impl Events {
    /// Reads the events of the run in `folder`. Lines that a kill cut off are skipped.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut events = Self::default();
        let Ok(Found::Bytes(text)) = read_file(&folder.join(EVENTS_FILE)) else {
            return events;
        };
        for line in String::from_utf8_lossy(&text).lines() {
            match serde_json::from_str(line) {
                Ok(event) => events.add(event),
                Err(error) => tracing::debug!("skipped a line of `{EVENTS_FILE}`: {error}"),
            }
        }
        events
    }

    fn add(&mut self, event: Event) {
        match event {
            Event::StageStarted { stage, reason } => {
                self.starts.entry(stage).or_default().reason = reason;
            }
            Event::StageResumed { stage, from } => {
                let start = self.starts.entry(stage).or_default();
                start.resumption = format!("It resumed after {from}.");
            }
            Event::StageStartsOver { stage, why } => {
                let start = self.starts.entry(stage).or_default();
                start.resumption = format!("It started over: {why}.");
            }
            Event::StageProgress { stage, progress } => {
                self.progress.insert(stage, progress);
            }
            Event::Other => {}
        }
    }
}
