//! Earlier runs, read from their folders.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rayon::prelude::*;
use serde::Deserialize;

use super::files::{Fault, PLAN_FILE, RUN_FILE, RunFile, has_events, read_plan, read_run};
use super::planned_stage::PlannedStage;
use crate::event::RunState;
use store::keys::Key;

/// A run whose record could be read.
#[derive(Clone, Debug)]
pub struct PastRun {
    pub folder: PathBuf,
    pub pipeline: String,
    pub started: Timestamp,
    /// Stages of the plan, or of the report if the plan is missing or damaged.
    pub stages: Vec<PlannedStage>,
    /// Action keys of everything that it used.
    pub keys: BTreeSet<Key>,
    /// Determines the order of runs; `None` for runs from before runs were numbered.
    number: Option<u64>,
}

impl PastRun {
    /// The run's id.
    pub fn id(&self) -> String {
        id(&self.folder)
    }

    /// Sort key: the order in which runs began. The clock decides only between runs without a number.
    fn order(&self) -> (Option<u64>, Timestamp, &Path) {
        (self.number, self.started, &self.folder)
    }
}

/// A run with a record that is damaged or cannot be read.
#[derive(Clone, Debug)]
pub struct BadRun {
    pub folder: PathBuf,
    /// Name of the file with the fault.
    pub file: &'static str,
    pub fault: Fault,
    /// Action keys of everything that it used, if its other files show them.
    pub keys: Option<BTreeSet<Key>>,
}

impl BadRun {
    /// The run's id.
    pub fn id(&self) -> String {
        id(&self.folder)
    }

    /// The fault as text, such as: `run.json` cannot be read: Permission denied.
    pub fn why(&self) -> String {
        format!("`{}` {}", self.file, self.fault)
    }
}

fn id(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// All runs of a store.
#[derive(Debug, Default)]
pub struct History {
    /// Runs whose records can be read, oldest first.
    pub runs: Vec<PastRun>,
    /// Runs with a record that is damaged or cannot be read. Such a run is also in `runs` if its other files are
    /// sufficient.
    pub bad: Vec<BadRun>,
}

impl History {
    /// Reads the records of all runs below `runs`.
    pub fn read(runs: &Path) -> io::Result<Self> {
        let read: Vec<(Option<PastRun>, Option<BadRun>)> = folders(runs)?
            .par_iter()
            .map(|folder| examine(folder))
            .collect();
        let (found, bad): (Vec<_>, Vec<_>) = read.into_iter().unzip();
        let mut runs: Vec<PastRun> = found.into_iter().flatten().collect();
        runs.sort_by(|a, b| a.order().cmp(&b.order()));
        Ok(Self {
            runs,
            bad: bad.into_iter().flatten().collect(),
        })
    }

    /// Like [`History::read`], and logs a warning for each run that is left out or only partly known.
    pub fn read_and_warn(runs: &Path) -> io::Result<Self> {
        let history = Self::read(runs)?;
        for bad in &history.bad {
            tracing::warn!(
                "run `{}` is left out or only partly known: {}",
                bad.id(),
                bad.why()
            );
        }
        Ok(history)
    }
}

/// The folders of all runs, sorted by name.
pub fn folders(runs: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(runs)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

#[derive(Deserialize)]
struct Record {
    number: Option<u64>,
    pipeline: String,
    started: Timestamp,
    state: RunState,
    stages: Vec<Ended>,
}

#[derive(Deserialize)]
struct Ended {
    name: String,
    key: String,
}

/// Reads a run. Returns neither for a run that has just begun, or that was killed before it did anything.
fn examine(folder: &Path) -> (Option<PastRun>, Option<BadRun>) {
    let bad = |file, fault, keys| {
        Some(BadRun {
            folder: folder.to_owned(),
            file,
            fault,
            keys,
        })
    };
    // Check for events first. The plan and the record are written before the first event, so if there are
    // events, a file that is missing afterwards was lost.
    let has_begun = has_events(folder);
    let plan = read_plan(folder);
    let keys_of = |stages: &[PlannedStage]| stages.iter().map(|stage| stage.key).collect();
    let record: Record = match (read_run(folder), &plan) {
        (RunFile::Sound(record), _) => record,
        (RunFile::Missing, _) if !has_begun => return (None, None),
        (found, plan) => {
            let fault = match found {
                RunFile::Bad(fault) => fault,
                _ => Fault::Missing,
            };
            let keys: Option<BTreeSet<Key>> = match plan {
                RunFile::Sound(stages) => Some(keys_of(stages)),
                _ => None,
            };
            return (None, bad(RUN_FILE, fault, keys));
        }
    };
    // The report of a finished run contains as much as its plan.
    let reported = record.stages.iter();
    let reported = reported.filter_map(|stage| PlannedStage::reported(&stage.name, &stage.key));
    let reported: Vec<PlannedStage> = reported.collect();
    let mut keys: BTreeSet<Key> = keys_of(&reported);
    let (stages, fault) = match plan {
        RunFile::Sound(stages) => (stages, None),
        RunFile::Missing if !has_begun => (reported, None),
        RunFile::Missing => (reported, Some(Fault::Missing)),
        RunFile::Bad(fault) => (reported, Some(fault)),
    };
    keys.extend(stages.iter().map(|stage| stage.key));
    let is_known = fault.is_none() || record.state != RunState::Running;
    let bad = fault.and_then(|fault| bad(PLAN_FILE, fault, is_known.then(|| keys.clone())));
    let run = PastRun {
        folder: folder.to_owned(),
        pipeline: record.pipeline,
        started: record.started,
        stages,
        keys,
        number: record.number,
    };
    (Some(run), bad)
}
