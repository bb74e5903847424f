//! [`RunPair`]: the two runs that are compared, with the stages that make their inputs.

use std::collections::HashMap;

use engine::run::recorded::Recorded;
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
}

impl<'a> RunPair<'a> {
    pub(super) fn new(store: &'a Store, a: &'a Recorded, b: &'a Recorded) -> Self {
        Self {
            store,
            a,
            b,
            makers_a: makers(a),
            makers_b: makers(b),
        }
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
