//! [`Index`]: all runs of the store, in memory. A record is read again only if its file has changed.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contract::lock;
use engine::event::{RunReport, RunState};
use engine::run::files::{Fault, RUN_FILE, RunFile, has_events, read_run};
use engine::run::history::{BadRun, folders};
use engine::scheduler::Counts;
use jiff::Timestamp;
use rayon::prelude::*;
use store::{FileStamp, Store};

use crate::headlines::{Headline, Headlines};
use crate::live::LiveRun;

/// Shortest time between two looks at the folders.
const FRESH: Duration = Duration::from_millis(500);

/// Time for reading metrics before the list is shown without some of them.
const READING: Duration = Duration::from_millis(150);

pub(crate) struct Index {
    store: Arc<Store>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<String, Entry>,
    headlines: Headlines,
    rows: Arc<Vec<Arc<Row>>>,
    looked: Option<Instant>,
}

struct Entry {
    stamp: Option<FileStamp>,
    row: Arc<Row>,
    /// Present while the run goes on.
    live: Option<LiveRun>,
}

/// A run in the list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) id: String,
    /// The run, or why its record cannot be read.
    pub(crate) run: Result<Listed, String>,
    /// Its headline metrics, once they are recorded.
    pub(crate) headlines: Arc<[Headline]>,
}

/// Row of the list of runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Listed {
    pub(crate) number: Option<u64>,
    pub(crate) pipeline: String,
    /// The pipeline file, as given.
    pub(crate) file: String,
    pub(crate) options: String,
    pub(crate) state: RunState,
    pub(crate) started: Option<Timestamp>,
    /// Wall time; `None` while the run goes on.
    pub(crate) seconds: Option<f64>,
    pub(crate) counts: Counts,
    /// Number of stages.
    pub(crate) stages: usize,
}

impl Index {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            state: Mutex::default(),
        }
    }

    /// All runs, newest first. This blocks.
    ///
    /// # Errors
    /// If the folder of runs cannot be read.
    pub(crate) fn rows(&self) -> io::Result<Arc<Vec<Arc<Row>>>> {
        let mut state = lock(&self.state);
        if state.looked.is_none_or(|looked| looked.elapsed() > FRESH) {
            self.refresh(&mut state)?;
            state.looked = Some(Instant::now());
        }
        Ok(Arc::clone(&state.rows))
    }

    /// Looks at the folders again for the next list, because there is a new run.
    pub(crate) fn outdate(&self) {
        lock(&self.state).looked = None;
    }

    fn refresh(&self, state: &mut State) -> io::Result<()> {
        let folders = folders(&self.store.runs_folder())?;
        let paths: Vec<&Path> = folders.iter().map(|folder| folder.as_path()).collect();
        let headlines = state.headlines.of(&paths, READING);
        let mut before = std::mem::take(&mut state.entries);
        let folders = folders.iter().zip(headlines);
        let known = folders.filter_map(|(folder, headlines)| {
            let id = folder.file_name()?.to_str()?.to_owned();
            let entry = before.remove(&id);
            Some((id, folder, entry, headlines))
        });
        let known: Vec<_> = known.collect();
        let entries = known
            .into_par_iter()
            .filter_map(|(id, folder, entry, headlines)| {
                let mut entry = examined(&self.store, &id, folder, entry)?;
                entry.set_headlines(headlines);
                Some((id, entry))
            });
        state.entries = entries.collect();
        let mut rows: Vec<Arc<Row>> = state.entries.values().map(|e| Arc::clone(&e.row)).collect();
        rows.sort_by(|a, b| order(b).cmp(&order(a)));
        if *state.rows != rows {
            state.rows = Arc::new(rows);
        }
        Ok(())
    }
}

/// The order in which runs began. Runs with a bad record come first, because their age is unknown.
fn order(row: &Row) -> (bool, Option<u64>, Option<Timestamp>, &str) {
    match &row.run {
        Ok(run) => (false, run.number, run.started, &row.id),
        Err(_) => (true, None, None, &row.id),
    }
}

/// Looks at a run. Returns `None` if it has just begun, or was killed before it did anything.
fn examined(store: &Store, id: &str, folder: &Path, before: Option<Entry>) -> Option<Entry> {
    let metadata = fs::symlink_metadata(folder.join(RUN_FILE)).ok();
    let stamp = metadata.map(|metadata| FileStamp::of(&metadata));
    let (before, live) = match before {
        Some(Entry { live, stamp, row }) => (Some((stamp, row)), live),
        None => (None, None),
    };
    // The record of a run that goes on changes rarely; its events tell the rest.
    if let Some(mut live) = live
        && live.advance(store).is_ok()
    {
        return Some(Entry::of_live(id, stamp, live));
    }
    if let Some((known, row)) = before
        && known == stamp
        && stamp.is_some_and(|stamp| stamp.is_reliable())
    {
        return Some(Entry {
            stamp,
            row,
            live: None,
        });
    }
    match read_run::<RunReport>(folder) {
        RunFile::Sound(record) if record.state != RunState::Running => {
            Some(Entry::new(id, stamp, Ok(Listed::ended(&record))))
        }
        RunFile::Sound(_) => match LiveRun::open(store, folder) {
            Ok(live) => Some(Entry::of_live(id, stamp, live?)),
            Err(bad) => Some(Entry::new(id, stamp, Err(bad.why()))),
        },
        RunFile::Missing if !has_events(folder) => None,
        RunFile::Missing => Some(Entry::new(id, stamp, Err(why(folder, Fault::Missing)))),
        RunFile::Bad(fault) => Some(Entry::new(id, stamp, Err(why(folder, fault)))),
    }
}

impl Entry {
    fn new(id: &str, stamp: Option<FileStamp>, run: Result<Listed, String>) -> Self {
        let id = id.to_owned();
        Self {
            stamp,
            row: Arc::new(Row {
                id,
                run,
                headlines: Arc::default(),
            }),
            live: None,
        }
    }

    /// Sets the headline metrics. A row that does not change stays the same row.
    fn set_headlines(&mut self, headlines: Arc<[Headline]>) {
        if self.row.headlines != headlines {
            self.row = Arc::new(Row {
                headlines,
                ..Row::clone(&self.row)
            });
        }
    }

    fn of_live(id: &str, stamp: Option<FileStamp>, live: LiveRun) -> Self {
        let listed = Listed {
            state: live.state,
            seconds: live.has_ended().then(|| live.seconds(Timestamp::now())),
            counts: live.counts,
            stages: live.stages.len(),
            ..Listed::ended(&live.record)
        };
        Self {
            live: (!live.has_ended()).then_some(live),
            ..Self::new(id, stamp, Ok(listed))
        }
    }
}

fn why(folder: &Path, fault: Fault) -> String {
    let bad = BadRun {
        folder: folder.to_owned(),
        file: RUN_FILE,
        fault,
        keys: None,
    };
    bad.why()
}

impl Listed {
    /// Row of a run that has ended.
    fn ended(record: &RunReport) -> Self {
        let profile = record
            .profile
            .iter()
            .map(|profile| format!("--profile {profile}"));
        let options: Vec<String> = profile.chain(record.sets.iter().cloned()).collect();
        Self {
            number: record.number,
            pipeline: record.pipeline.clone(),
            file: record.file.clone(),
            options: options.join(" "),
            state: record.state,
            started: record.started.parse().ok(),
            seconds: Some(record.seconds),
            counts: record.counts,
            stages: record.stages.len(),
        }
    }
}
