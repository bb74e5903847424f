//! [`Entry`]: a row of the list.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use contract::one_line;
use engine::run::recorded::Recorded;
use engine::run::run_metrics::{
    InstanceMetrics, METRICS_RECORD, RunMetrics, TrialMetrics, read, recall,
};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use store::Store;

use super::column::Column;
use crate::cli::pipeline::catalogue;

/// A run, or a trial of a run.
pub(super) struct Entry<'a> {
    pub run: &'a Recorded,
    metrics: Arc<RunMetrics>,
    /// Index of the trial.
    trial: Option<usize>,
}

/// Returns the runs in their order, or with `trials` the trials of each run. A run without trials stays.
pub(super) fn entries<'a>(store: &Store, runs: &'a [Recorded], trials: bool) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    for (run, metrics) in runs.iter().zip(all_metrics(store, runs)) {
        let count = if trials { metrics.trials.len() } else { 0 };
        let whole = (count == 0).then_some(None);
        let trials = whole.into_iter().chain((0..count).map(Some));
        entries.extend(trials.map(|trial| Entry {
            run,
            metrics: Arc::clone(&metrics),
            trial,
        }));
    }
    entries
}

/// Reads the metrics of all runs. Runs with the same results share one file, which is read once.
fn all_metrics(store: &Store, runs: &[Recorded]) -> Vec<Arc<RunMetrics>> {
    let file = |run: &Recorded| {
        let metadata = fs::symlink_metadata(run.folder.join(METRICS_RECORD)).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    let files: Vec<Option<(u64, u64)>> = runs.iter().map(file).collect();
    let mut distinct: HashMap<(u64, u64), &Recorded> = HashMap::new();
    for (run, file) in runs.iter().zip(&files) {
        if let Some(file) = file {
            distinct.entry(*file).or_insert(run);
        }
    }
    let recorded: HashMap<(u64, u64), Arc<RunMetrics>> = distinct
        .into_par_iter()
        .filter_map(|(file, run)| Some((file, Arc::new(read(&run.folder)?))))
        .collect();
    let runs = runs.par_iter().zip(&files);
    runs.map(|(run, file)| {
        let found = file.and_then(|file| recorded.get(&file));
        found.map_or_else(
            || Arc::new(recall(store, run, catalogue().kinds)),
            Arc::clone,
        )
    })
    .collect()
}

impl Entry<'_> {
    pub(super) fn trial(&self) -> Option<&TrialMetrics> {
        self.metrics.trials.get(self.trial?)
    }

    /// The instances that stand for the run or the trial.
    pub(super) fn instances(&self) -> Vec<&InstanceMetrics> {
        match self.trial() {
            Some(trial) => self.metrics.at(&trial.instances),
            None => self.metrics.shown(),
        }
    }

    /// The run's id, and the number of the trial if this is one: `20261123-081500-ab12#3`.
    pub(super) fn id(&self) -> String {
        let id = &self.run.report.run;
        match self.trial() {
            Some(trial) => format!("{id}#{}", trial.number),
            None => id.clone(),
        }
    }

    /// The value of a var that an option of the run set.
    pub(super) fn set(&self, name: &str) -> Option<&str> {
        let sets = self.run.report.sets.iter().rev();
        let mut found = sets.filter_map(|set| set.split_once('='));
        Some(found.find(|(set, _)| *set == name)?.1)
    }

    /// A JSON object with what is always known, and the shown columns.
    pub(super) fn object(&self, columns: &[Column]) -> Value {
        let report = &self.run.report;
        let values = columns
            .iter()
            .map(|column| (column.name().to_owned(), column.value(self).json()));
        let values: Map<String, Value> = values.collect();
        let mut object = json!({
            "run": report.run,
            "pipeline": report.pipeline,
            "profile": report.profile,
            "sets": report.sets,
            "state": report.state,
            "started": report.started,
            "finished": report.finished,
            "seconds": report.seconds,
            "counts": report.counts,
            "planned": self.run.stages.len(),
            "columns": values,
        });
        if let Some(trial) = self.trial() {
            let values = trial.values.iter();
            let values: Map<String, Value> = values
                .map(|(axis, value)| (axis.clone(), json!(value)))
                .collect();
            object["trial"] =
                json!({ "number": trial.number, "state": trial.state, "values": values });
        }
        object
    }
}

/// A name as text that stays on its line.
pub(super) fn name(text: &str) -> String {
    one_line(text).into_owned()
}
