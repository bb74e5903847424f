//! [`RunPair`]: the two runs that are compared, with the stages that make their inputs.

use std::cell::OnceCell;
use std::collections::HashMap;

use engine::run::recorded::Recorded;
use engine::run::run_metrics::{self, PortMetrics};
use store::Store;
use store::keys::{InputId, Key};

/// Two runs, and the store with their results.
pub(super) struct RunPair<'a> {
    pub store: &'a Store,
    pub a: &'a Recorded,
    pub b: &'a Recorded,
    /// The stages of each run, by key.
    pub makers_a: Makers<'a>,
    pub makers_b: Makers<'a>,
    pub recorded_a: RecordedMetrics<'a>,
    pub recorded_b: RecordedMetrics<'a>,
}

impl<'a> RunPair<'a> {
    pub(super) fn new(store: &'a Store, a: &'a Recorded, b: &'a Recorded) -> Self {
        Self {
            store,
            a,
            b,
            makers_a: makers(a),
            makers_b: makers(b),
            recorded_a: RecordedMetrics::new(a),
            recorded_b: RecordedMetrics::new(b),
        }
    }
}

/// The metrics in the record of a run, which outlives the results. It is read when a stage is first looked up.
pub(super) struct RecordedMetrics<'a> {
    run: &'a Recorded,
    /// Ports with metrics, by instance.
    instances: OnceCell<HashMap<String, Vec<PortMetrics>>>,
}

impl<'a> RecordedMetrics<'a> {
    fn new(run: &'a Recorded) -> Self {
        Self {
            run,
            instances: OnceCell::new(),
        }
    }

    /// The ports of an instance that have metrics; none if the run has no record or did not measure them.
    pub(super) fn of(&self, instance: &str) -> Vec<PortMetrics> {
        let instances = self.instances.get_or_init(|| {
            let recorded = run_metrics::read(&self.run.folder).unwrap_or_default();
            let instances = recorded.instances.into_iter();
            instances.map(|one| (one.name, one.ports)).collect()
        });
        instances.get(instance).cloned().unwrap_or_default()
    }
}

/// Stages of a run, by key.
pub(super) type Makers<'a> = HashMap<Key, &'a str>;

fn makers(run: &Recorded) -> Makers<'_> {
    // The first of several equal stages represents all of them.
    let stages = run.stages.iter().rev().map(|stage| &stage.planned);
    stages
        .map(|stage| (stage.key, stage.name.as_str()))
        .collect()
}

/// The stage of a run that makes an input.
pub(super) fn maker<'a>(makers: &Makers<'a>, input: &InputId) -> Option<&'a str> {
    match input {
        InputId::Action { key, .. } => makers.get(key).copied(),
        InputId::Content { .. } => None,
    }
}
