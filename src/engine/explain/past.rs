//! Explains why a stage ran in the past: what had changed since the run before.

use std::collections::HashMap;

use contract::Source;

use super::trace;
use crate::plan::{Change, changes};
use crate::run::history::{History, PastRun};
use crate::run::recorded::{self, RecordedStage};
use store::Store;
use store::keys::{Fingerprint, Key};

/// The last time that a stage was executed.
#[derive(Clone, Debug, PartialEq)]
pub struct LastExecution {
    /// The run's id.
    pub run: String,
    /// Start of the run, as recorded.
    pub started: String,
    /// Its end: `succeeded`, `failed`, `running`.
    pub status: String,
    /// The reason in a few words, such as `first run` or `after xrays`. `None` if it was not recorded.
    pub reason: Option<String>,
    /// `true` if the store has no result of the stage from an earlier run of the pipeline.
    pub is_first: bool,
    /// Changes, nearest first. Empty if nothing changed, or if the results of that run or of the run before are no
    /// longer in the store.
    pub causes: Vec<PastCause>,
}

/// A change that made a stage run.
#[derive(Clone, Debug, PartialEq)]
pub struct PastCause {
    /// Names of the stages from the changed one to the one that ran.
    pub way: Vec<String>,
    pub change: Change,
}

/// Finds the last run of `pipeline` in `history` that executed the stage instance `name`. `sources` returns the sources
/// that an instance reads, for the paths to show.
pub fn last_execution(
    store: &Store,
    history: &History,
    pipeline: &str,
    name: &str,
    sources: &dyn Fn(&str) -> Vec<Source>,
) -> Option<LastExecution> {
    let runs: Vec<&PastRun> = history
        .runs
        .iter()
        .rev()
        .filter(|run| run.pipeline == pipeline)
        .collect();
    let mut living = None;
    for (index, past) in runs.iter().enumerate() {
        let Some(key) = key_of(past, name) else {
            continue;
        };
        let Ok(Some(mut run)) = recorded::read(store, &past.id(), &mut living) else {
            continue;
        };
        let is_meant = |stage: &&RecordedStage| stage.planned.name == name && stage.started;
        if !run.stages.iter().any(|stage| is_meant(&stage)) {
            continue;
        }
        run.recall_reasons();
        let state = run.report.state;
        let stage = run.stages.iter().find(is_meant);
        let before = before(store, name, &runs[index + 1..]);
        return stage.map(|stage| LastExecution {
            run: past.id(),
            started: run.report.started.clone(),
            status: stage.status(state),
            reason: stage.reason.clone(),
            is_first: before.is_none(),
            causes: before.map_or_else(Vec::new, |before| {
                causes(store, key, name, past, before, sources)
            }),
        });
    }
    None
}

/// Returns the action of a stage in the first of `runs` that has a result of it. A run that made none, because
/// something failed before, is not the one to compare with.
fn before(store: &Store, name: &str, runs: &[&PastRun]) -> Option<(Key, Fingerprint)> {
    let keys = runs.iter().filter_map(|past| key_of(past, name));
    let mut results = keys.filter_map(|key| Some((key, store.recall(&key)?.fingerprint)));
    results.next()
}

/// Returns what changed in the stage and upstream of it between the action `before` and `run`.
fn causes(
    store: &Store,
    key: Key,
    name: &str,
    run: &PastRun,
    (before, from): (Key, Fingerprint),
    sources: &dyn Fn(&str) -> Vec<Source>,
) -> Vec<PastCause> {
    let fingerprint = |key: &Key| Some(store.recall(key)?.fingerprint);
    let Some(to) = fingerprint(&key).filter(|_| before != key) else {
        return Vec::new();
    };
    let names: HashMap<Key, &str> = run
        .stages
        .iter()
        .map(|stage| (stage.key, stage.name.as_str()))
        .collect();
    let name_of = |key: &Key| names.get(key).copied().unwrap_or(name);
    let differences = |key: &Key, from: &Fingerprint, to: &Fingerprint| {
        changes(store, from, to, &sources(name_of(key)))
    };
    let found = trace(key, &from, &to, &fingerprint, &fingerprint, &differences);
    let causes = found.into_iter().map(|found| PastCause {
        way: found
            .path
            .iter()
            .rev()
            .map(|key| name_of(key).to_owned())
            .collect(),
        change: found.change,
    });
    causes.collect()
}

/// The key of a stage in a run, if the run planned it.
fn key_of(run: &PastRun, name: &str) -> Option<Key> {
    let stage = run.stages.iter().find(|stage| stage.name == name)?;
    Some(stage.key)
}
