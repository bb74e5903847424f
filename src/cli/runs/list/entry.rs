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
use engine::run::sweep_report::read_report;
use engine::sweep::record::SweepReport;
use rayon::prelude::*;
use store::Store;

use crate::cli::pipeline::catalogue;

/// A run, or a trial of a run.
pub(super) struct Entry<'a> {
    pub run: &'a Recorded,
    metrics: Arc<RunMetrics>,
    /// Index of the trial.
    trial: Option<usize>,
    /// Record of the trials, if this is a sweep or a trial of one.
    sweep: Option<Arc<SweepReport>>,
}

/// Returns the runs in their order, or with `trials` the trials of those that are sweeps.
pub(super) fn entries<'a>(store: &Store, runs: &'a [Recorded], trials: bool) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    for (run, metrics) in runs.iter().zip(all_metrics(store, runs)) {
        let is_sweep = !metrics.trials.is_empty();
        let own: Vec<Option<usize>> = match trials {
            true => (0..metrics.trials.len()).map(Some).collect(),
            false => vec![None],
        };
        let sweep = is_sweep.then(|| read_report(&run.folder)).flatten();
        let sweep = sweep.map(Arc::new);
        entries.extend(own.into_iter().map(|trial| Entry {
            run,
            metrics: Arc::clone(&metrics),
            trial,
            sweep: sweep.clone(),
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

    /// The time that the run took, or that of the stages that belong only to the trial; `None` if it is unknown.
    pub(super) fn seconds(&self) -> Option<f64> {
        let Some(trial) = self.trial() else {
            return Some(self.run.report.seconds);
        };
        let mut trials = self.sweep.as_ref()?.trials.iter();
        Some(trials.find(|known| known.number == trial.number)?.seconds)
    }

    /// Name of the metric that the trials of the sweep are ranked by.
    pub(super) fn objective(&self) -> Option<&str> {
        let objective = self.sweep.as_ref()?.objective.as_ref()?;
        Some(&objective.metric)
    }

    /// The instances that stand for the run or the trial.
    pub(super) fn instances(&self) -> Vec<&InstanceMetrics> {
        match self.trial() {
            Some(trial) => self.metrics.at(&trial.instances),
            None => self.metrics.shown(),
        }
    }

    /// The run's id, and the number of the trial if this is one: `20261123-081500-0042#3`.
    pub(super) fn id(&self) -> String {
        let id = &self.run.report.run;
        match self.trial() {
            Some(trial) => format!("{id}#{}", trial.number),
            None => id.clone(),
        }
    }

    /// The value of an axis of the trial, or of a var that an option of the run set.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        let mut axes = self.trial().into_iter().flat_map(|trial| &trial.values);
        let axis = axes.find(|(axis, _)| axis == name);
        axis.map(|(_, value)| value.as_str())
            .or_else(|| self.set(name))
    }

    /// The value of a var that an option of the run set.
    fn set(&self, name: &str) -> Option<&str> {
        let sets = self.run.report.sets.iter().rev();
        let mut found = sets.filter_map(|set| set.split_once('='));
        Some(found.find(|(set, _)| *set == name)?.1)
    }
}

/// A name as text that stays on its line.
pub(super) fn name(text: &str) -> String {
    one_line(text).into_owned()
}
