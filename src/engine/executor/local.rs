//! Fills the misses of a plan on this machine: takes the lease, looks for a result once
//! more, and otherwise makes it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use contract::Failure;
use petgraph::graph::NodeIndex;

use super::commits::{Commit, Made, Pending};
use super::inputs::digests;
use super::logs::Logs;
use super::make::Making;
use super::{Limits, Workers};
use crate::event::{Event, Reporter, StageReport};
use crate::graph::Graph;
use crate::keys::Fingerprint;
use crate::keys::{Digest, Key};
use crate::plan::{MissReason, Plan, PlannedAction, State, checkpoint_key, content_key};
use crate::scheduler::{self, Grant, Outcome};
use crate::spec::suggest::distinct;
use crate::store::{self, ActionRecord, Lease, Store, Tree};
use crate::wording;

/// Interval between attempts to take a lease that another runner holds.
const LEASE_POLL: Duration = Duration::from_millis(100);

/// Digests of the trees of an action's outputs, by port.
pub type Outputs = BTreeMap<String, Digest>;

/// Fills misses in processes on this machine.
pub(super) struct Local<'a> {
    pub graph: &'a Graph,
    pub plan: &'a Plan,
    pub store: &'a Store,
    pub workers: &'a Workers,
    pub reporter: &'a Reporter,
    /// Folder of the run, which also holds the logs of its stages.
    pub folder: PathBuf,
    /// Limits of stages that have none of their own.
    pub limits: Limits,
    /// Whether to resume from checkpoints.
    pub resume: bool,
    /// Stages that fail if they have to run, with the reasons.
    pub refused: &'a HashMap<NodeIndex, String>,
    /// The misses, in the order of the queue.
    pub misses: Vec<Miss<'a>>,
    /// Outputs known so far.
    pub outputs: Mutex<HashMap<NodeIndex, Outputs>>,
    /// Reports of the misses that ended, by position in the queue.
    pub reports: Mutex<BTreeMap<usize, StageReport>>,
    pub logs: Logs,
    /// Sends commits to the recorder thread; `None` ends the thread.
    pub commits: Sender<Option<Commit<'a>>>,
    pub pending: Pending,
}

/// An action to execute, unless its outputs appear in the store meanwhile.
pub(super) struct Miss<'a> {
    pub action: &'a PlannedAction,
    /// Whether an equal action of the same plan comes first. Its outputs are then those of this action.
    pub follows_equal: bool,
}

/// The way in which a miss was filled.
enum Filled<'a> {
    /// The record was in the store.
    Found(ActionRecord),
    Made(Made<'a>, Lease),
}

impl scheduler::Executor for Local<'_> {
    fn execute(&self, index: usize, grant: &Grant) -> Outcome {
        let miss = &self.misses[index];
        let node = miss.action.node;
        let name = self.name(node);
        let _span = tracing::info_span!("stage", %name).entered();
        let mut report =
            StageReport::not_executed(&name, Outcome::Cancelled, &miss.action.action_key);
        match self.fill(miss, grant, &mut report) {
            Ok(Filled::Made(made, lease)) => {
                report.outcome = Outcome::Succeeded;
                lock(&self.outputs).insert(node, made.record.outputs.clone());
                self.pending.add(&made.record);
                // The receiver lives until every action has ended.
                let _ = self.commits.send(Some(Commit {
                    index,
                    made,
                    report,
                    lease,
                }));
                return Outcome::Succeeded;
            }
            Ok(Filled::Found(record)) => {
                report.outcome = Outcome::Cached;
                report.warnings.clone_from(&record.warnings);
                self.keep_view(miss.action, &record.outputs);
                lock(&self.outputs).insert(node, record.outputs);
            }
            Err(Failure::Cancelled) => report.outcome = Outcome::Cancelled,
            Err(failure) => {
                report.outcome = Outcome::Failed;
                report.error = Some(failure.to_string());
            }
        }
        let outcome = report.outcome;
        self.end(index, report);
        outcome
    }
}

impl<'a> Local<'a> {
    fn fill(
        &self,
        miss: &Miss<'_>,
        grant: &Grant,
        report: &mut StageReport,
    ) -> Result<Filled<'a>, Failure> {
        self.pending.check()?;
        let action = miss.action;
        if miss.follows_equal
            && let Some(record) = self.found(&action.action_key)?
        {
            return Ok(Filled::Found(record));
        }
        let lease = self.lease(action)?;
        let inputs = self.inputs(action)?;
        let (content_key, content) = content_key(self.graph, action, &digests(&inputs));
        let forced = is_forced(action) && !miss.follows_equal;
        if !forced && let Some(record) = self.hit(action, &content_key)? {
            return Ok(Filled::Found(record));
        }
        if let Some(why) = self.refused.get(&action.node) {
            return Err(Failure::System(why.clone()));
        }
        let making = Making {
            action,
            content_key,
            checkpoint_key: self.checkpoint_key(action, &content),
            inputs: &inputs,
            grant,
        };
        Ok(Filled::Made(self.make(&making, report)?, lease))
    }

    /// Waits for the lease on the action. Gives up if the run is stopped.
    fn lease(&self, action: &PlannedAction) -> Result<Lease, Failure> {
        let mut told = false;
        loop {
            if self.workers.is_stopping() {
                return Err(Failure::Cancelled);
            }
            if let Some(lease) = self.store.try_lease(&action.action_key).map_err(refused)? {
                return Ok(lease);
            }
            if !told {
                let message = "waits for another runner, which makes the same".to_owned();
                self.reporter.send(&Event::StageWarning {
                    stage: self.name(action.node),
                    message,
                    passing: true,
                });
                told = true;
            }
            thread::sleep(LEASE_POLL);
        }
    }

    /// Looks up the record under a key, including records that are not written yet.
    fn found(&self, key: &Key) -> Result<Option<ActionRecord>, Failure> {
        match self.pending.get(key) {
            Some(record) => Ok(Some(record)),
            None => self.store.lookup(key).map_err(refused),
        }
    }

    /// Looks for a record of the action. There is one if another runner has filled the miss meanwhile, or if
    /// the inputs came out as in an earlier run (early cutoff).
    fn hit(
        &self,
        action: &PlannedAction,
        content_key: &Key,
    ) -> Result<Option<ActionRecord>, Failure> {
        // A record found by its content key is protected only once it has this action's key too.
        let _guard = self.store.guard().map_err(refused)?;
        if let Some(record) = self.found(&action.action_key)?
            // An earlier record is of no use if the inputs have come out differently since.
            && record.content_key == *content_key
        {
            return Ok(Some(record));
        }
        let Some(record) = self.found(content_key)? else {
            return Ok(None);
        };
        self.store
            .alias(&record, action.action_key, &action.fingerprint)
            .map(Some)
            .map_err(refused)
    }

    /// Remembers the fingerprint of the stage and shows its outputs in `latest`. Errors are only logged,
    /// because the results do not depend on either.
    pub fn keep_view(&self, action: &PlannedAction, outputs: &Outputs) {
        let (pipeline, name) = (&self.graph.pipeline, self.name(action.node));
        let trees: Result<BTreeMap<String, Arc<Tree>>, store::Error> = outputs
            .iter()
            .map(|(port, digest)| Ok((port.clone(), self.store.tree_at_hand(digest)?)))
            .collect();
        let kept = trees.and_then(|trees| {
            let (store, key) = (self.store, &action.action_key);
            if store.is_shown(pipeline, &name, key, &trees) && store.has_last(pipeline, &name) {
                return Ok(());
            }
            // Write this first: readers treat published outputs as proof that it exists.
            store.set_last_fingerprint(pipeline, &name, &action.fingerprint)?;
            store.publish_latest(pipeline, &name, key, &trees)
        });
        if let Err(error) = kept {
            tracing::warn!("`latest` does not show `{name}`: {error}");
        }
    }

    /// Returns the key of the action's checkpoints. `None` if the stage has none.
    fn checkpoint_key(&self, action: &PlannedAction, content: &Fingerprint) -> Option<Key> {
        let resumable = self.graph.stages[action.node].stage.resumable()?;
        Some(checkpoint_key(content, &resumable))
    }

    /// Returns the reason for executing the action: the plan's, or the inputs that this run made.
    pub fn reason(&self, action: &PlannedAction) -> String {
        if let State::Runs(reason) = &action.state {
            return reason.to_string();
        }
        let inputs = self.graph.inputs(action.node).into_iter();
        let made = inputs
            .map(|(producer, _)| producer)
            .filter(|&node| !matches!(self.plan.action(node).state, State::Cached(_)));
        // One stage may provide several inputs.
        let made = distinct(made).into_iter().map(|node| self.name(node));
        format!("after {}", made.collect::<Vec<_>>().join(", "))
    }

    pub fn name(&self, node: NodeIndex) -> String {
        self.graph.stages[node].name.to_string()
    }
}

/// Whether the action must be executed even if it is cached.
pub(super) fn is_forced(action: &PlannedAction) -> bool {
    matches!(action.state, State::Runs(MissReason::Forced))
}

/// Converts an error of the store to the failure of the stage.
pub(super) fn refused(error: store::Error) -> Failure {
    let timeout = match &error {
        store::Error::Io { source, .. } => store::given_up(source),
        _ => None,
    };
    match timeout {
        Some(timeout) => Failure::TimedOut(format!(
            "took longer than its timeout, {}, which includes reading its inputs and outputs",
            wording::duration(timeout.as_secs_f64())
        )),
        None => Failure::System(error.to_string()),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
