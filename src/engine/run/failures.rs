//! [`Failures`]: errors of the stages that failed in earlier runs.

use std::collections::HashMap;

use super::files::{RunFile, read_run};
use super::history::History;
use crate::error::Error;
use crate::event::RunReport;
use crate::scheduler::Outcome;
use store::Store;
use store::keys::Key;

/// Maximum number of past runs that are searched for failures.
const MAX_RUNS: usize = 20;

/// Errors of the actions that failed when they were last executed, by key. Only run records contain them.
#[derive(Default)]
pub struct Failures(HashMap<String, String>);

impl Failures {
    /// Collects the failures of a pipeline's last runs. Logs a warning for run records that cannot be read.
    pub fn recall(store: &Store, pipeline: &str) -> Result<Self, Error> {
        let folder = store.runs_folder();
        let past = History::read_and_warn(&folder).map_err(Error::io("read", &folder))?;
        let past = past.runs.into_iter().rev();
        let past = past.filter(|run| run.pipeline == pipeline).take(MAX_RUNS);
        let mut last: HashMap<String, Option<String>> = HashMap::new();
        for run in past {
            let RunFile::Sound(report) = read_run::<RunReport>(&run.folder) else {
                continue;
            };
            for stage in report.stages {
                if stage.seconds.is_some() || stage.outcome == Outcome::Failed {
                    last.entry(stage.key).or_insert(stage.error);
                }
            }
        }
        let failed = last.into_iter();
        let failed = failed.filter_map(|(key, error)| Some((key, error?)));
        Ok(Self(failed.collect()))
    }

    /// The error of an action, if it failed.
    pub fn of(&self, key: &Key) -> Option<&str> {
        self.0.get(&key.to_string()).map(String::as_str)
    }
}
