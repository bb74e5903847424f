//! Everything that changes while a plan is executed: known outputs, results that are not recorded yet, and reports.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, OnceLock};

use contract::{Failure, into_inner, lock};
use petgraph::graph::NodeIndex;

use super::context::Context;
use crate::event::{Event, StageReport};
use store::ActionRecord;
use store::keys::{Digest, Key};

/// The state of an execution, which the threads of stages and the recorder share.
#[derive(Default)]
pub(super) struct ExecutionState {
    pub outputs: KnownOutputs,
    pub pending: Pending,
    pub reports: Reports,
}

/// Digests of the trees of an action's outputs, by port.
pub type Outputs = BTreeMap<String, Digest>;

/// Outputs of the actions that are cached or have succeeded so far.
#[derive(Default)]
pub(super) struct KnownOutputs(Mutex<HashMap<NodeIndex, Outputs>>);

impl KnownOutputs {
    pub(super) fn insert(&self, node: NodeIndex, outputs: Outputs) {
        lock(&self.0).insert(node, outputs);
    }

    /// Removes the outputs of an action that could not be recorded.
    pub(super) fn remove(&self, node: NodeIndex) {
        lock(&self.0).remove(&node);
    }

    /// Returns the digest of one output; `None` if the action has not succeeded yet.
    pub(super) fn get(&self, node: NodeIndex, port: &str) -> Option<Digest> {
        lock(&self.0).get(&node)?.get(port).copied()
    }

    pub(super) fn into_inner(self) -> HashMap<NodeIndex, Outputs> {
        into_inner(self.0)
    }
}

/// Actions that were made and are not recorded yet.
#[derive(Default)]
pub(super) struct Pending {
    /// Under the action key and the content key.
    records: Mutex<HashMap<Key, ActionRecord>>,
    /// Set once recording has failed.
    broken: OnceLock<Failure>,
}

impl Pending {
    pub(super) fn add(&self, record: &ActionRecord) {
        let mut records = lock(&self.records);
        for key in [record.action_key, record.content_key] {
            records.insert(key, record.clone());
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<ActionRecord> {
        lock(&self.records).get(key).cloned()
    }

    /// Checks that results can still be recorded.
    ///
    /// # Errors
    /// The failure to record an earlier result, after which making more is of no use.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.broken.get().cloned().map_or(Ok(()), Err)
    }

    /// Sets the failure to record a result. Returns the first one that was set.
    pub(super) fn fail(&self, failure: Failure) -> Failure {
        self.broken.get_or_init(|| failure).clone()
    }

    pub(super) fn remove(&self, record: &ActionRecord) {
        let mut records = lock(&self.records);
        for key in [record.action_key, record.content_key] {
            records.remove(&key);
        }
    }
}

/// Reports of the misses that ended, by position in the queue.
#[derive(Default)]
pub(super) struct Reports(Mutex<BTreeMap<usize, StageReport>>);

impl Reports {
    /// Sends the report of an ended action, and keeps it.
    pub(super) fn add(&self, context: &Context<'_>, index: usize, report: StageReport) {
        tracing::debug!(stage = report.name, outcome = %report.outcome, error = report.error, "ended");
        context.reporter.send(Event::StageEnded {
            stage: report.clone(),
        });
        lock(&self.0).insert(index, report);
    }

    pub(super) fn into_inner(self) -> BTreeMap<usize, StageReport> {
        into_inner(self.0)
    }
}
