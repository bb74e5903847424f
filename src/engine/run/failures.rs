//! [`Failures`]: errors of the stages that failed in earlier runs.

use std::collections::HashMap;

use super::files::{RunFile, read_run};
use super::history::{History, folders};
use crate::error::Error;
use crate::event::RunReport;
use crate::scheduler::Outcome;
use store::Store;
use store::keys::Key;

/// Maximum number of past runs that are searched for failures.
const MAX_RUNS: usize = 20;

/// Maximum number of runs, of any pipeline, whose records are read to find the newest ones of a pipeline.
const MAX_LOOKED_AT: usize = 200;

/// Errors of the actions that failed when they were last executed, by key. Only run records contain them.
#[derive(Default)]
pub struct Failures(HashMap<String, Failure>);

/// The failure of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub error: String,
    /// Id of the run in which it failed.
    pub run: String,
}

impl Failures {
    /// Collects the failures of a pipeline's last runs. Logs a warning for run records that cannot be read.
    pub fn recall(store: &Store, pipeline: &str) -> Result<Self, Error> {
        let folder = store.runs_folder();
        let past = History::read_and_warn(&folder).map_err(Error::io("read", &folder))?;
        let past = past.runs.into_iter().rev();
        let past = past.filter(|run| run.pipeline == pipeline).take(MAX_RUNS);
        let reports = past.filter_map(|run| match read_run(&run.folder) {
            RunFile::Sound(report) => Some(report),
            RunFile::Missing | RunFile::Bad(_) => None,
        });
        Ok(Self::collect(reports))
    }

    /// Like [`Failures::recall`], but ignores runs whose records cannot be read, and reads only the newest records. So
    /// it is fast even if there are thousands of runs.
    pub fn recent(store: &Store, pipeline: &str) -> Result<Self, Error> {
        Ok(Self::collect(recent(store, pipeline)?.take(MAX_RUNS)))
    }

    /// Like [`Failures::recent`], but looks only at the pipeline's newest run that has a record.
    pub fn of_newest(store: &Store, pipeline: &str) -> Result<Self, Error> {
        Ok(Self::collect(recent(store, pipeline)?.take(1)))
    }

    /// Collects failures from reports, the newest first.
    fn collect(reports: impl Iterator<Item = RunReport>) -> Self {
        let mut last: HashMap<String, Option<Failure>> = HashMap::new();
        for report in reports {
            for stage in report.stages {
                if stage.seconds.is_some() || stage.outcome == Outcome::Failed {
                    let run = report.run.clone();
                    let failure = stage.error.map(|error| Failure { error, run });
                    last.entry(stage.key).or_insert(failure);
                }
            }
        }
        let failed = last.into_iter();
        let failed = failed.filter_map(|(key, failure)| Some((key, failure?)));
        Self(failed.collect())
    }

    /// The failure of an action, if it failed when it was last executed.
    pub fn last(&self, key: &Key) -> Option<&Failure> {
        self.0.get(&key.to_string())
    }

    /// The error of an action, if it failed.
    pub fn of(&self, key: &Key) -> Option<&str> {
        self.last(key).map(|failure| failure.error.as_str())
    }
}

/// The reports of a pipeline's newest runs, newest first, as far as they can be read.
fn recent(store: &Store, pipeline: &str) -> Result<impl Iterator<Item = RunReport>, Error> {
    let folder = store.runs_folder();
    let mut folders = folders(&folder).map_err(Error::io("read", &folder))?;
    folders.reverse();
    let reports = folders.into_iter().take(MAX_LOOKED_AT);
    let reports = reports.filter_map(|folder| match read_run::<RunReport>(&folder) {
        RunFile::Sound(report) => Some(report),
        RunFile::Missing | RunFile::Bad(_) => None,
    });
    Ok(reports.filter(move |report| report.pipeline == pipeline))
}
