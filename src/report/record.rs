//! The run record: `runs/<run id>/run.json`, and `events.jsonl` beside it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use super::{Event, Observer, RunReport};

/// Least time between two recorded lines of progress of one stage.
const SPACING: Duration = Duration::from_secs(1);

/// Name of the file that holds a [`RunReport`].
pub const RUN_FILE: &str = "run.json";
/// Name of the file that holds the run's events, one to a line.
pub const EVENTS_FILE: &str = "events.jsonl";

/// Writes the run as a whole: first when it starts, so that a killed run leaves a trace, and again
/// at its end. The file is replaced as one.
pub fn write_run(folder: &Path, report: &RunReport) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(BufWriter::new(&mut file), report)?;
    writeln!(file)?;
    file.persist(folder.join(RUN_FILE))?;
    Ok(())
}

/// Appends each event to `events.jsonl`, with the time; progress not oftener than once a second for
/// each stage.
pub struct EventLog {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    spoke: HashMap<String, Instant>,
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
            spoke: HashMap::new(),
        };
        Ok(Self {
            path,
            state: Mutex::new(state),
        })
    }
}

impl Observer for EventLog {
    fn observe(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        if let Event::StageProgress { stage, .. } = event {
            if state
                .spoke
                .get(stage)
                .is_some_and(|spoke| spoke.elapsed() < SPACING)
            {
                return;
            }
            state.spoke.insert(stage.clone(), Instant::now());
        }
        let line = Line {
            time: Timestamp::now().to_string(),
            event,
        };
        // One write for each line: a killed run leaves whole lines.
        let written = serde_json::to_string(&line)
            .map_err(io::Error::from)
            .and_then(|text| state.file.write_all(format!("{text}\n").as_bytes()));
        if let Err(error) = written {
            tracing::warn!("failed to write `{}`: {error}", self.path.display());
        }
    }
}
