//! Records finished actions in batches.
//!
//! A stage may start as soon as the outputs that it needs are in the store. The record of an action, however, may
//! only be renamed into place when everything that it names is on disk, and one flush for several actions is faster
//! than one for each. A separate thread therefore takes all actions that were made meanwhile, records them together,
//! and only then reports them as done.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use contract::Failure;

use super::context::Context;
use super::state::ExecutionState;
use super::views::update_view;
use crate::event::StageReport;
use crate::plan::PlannedAction;
use crate::scheduler::Outcome;
use store::{ActionRecord, Checkpoints, Guard, Lease};

/// Longest time that the first action of a batch waits for others.
const LINGER: Duration = Duration::from_millis(10);
/// Maximum number of actions in a batch.
const MOST: usize = 256;

/// An action that was made and must be recorded.
pub(super) struct NewResult<'a> {
    pub record: ActionRecord,
    pub checkpoints: Option<Checkpoints<'a>>,
    /// Held because nothing in the store names the blobs yet.
    pub guard: Guard,
}

/// Message to the recorder thread.
pub(super) struct Commit<'a> {
    /// Position of the miss.
    pub index: usize,
    pub result: NewResult<'a>,
    pub report: StageReport,
    /// Held until others can find the record.
    pub lease: Lease,
}

/// Records results on a thread of its own.
pub(super) struct Recorder<'a> {
    pub context: Context<'a>,
    /// The actions of the misses, by position.
    pub misses: Vec<&'a PlannedAction>,
    pub state: &'a ExecutionState,
}

impl Recorder<'_> {
    /// Records commits until `None` is received.
    pub(super) fn commit_all(&self, commits: &Receiver<Option<Commit<'_>>>) {
        let mut open = true;
        while open && let Ok(Some(first)) = commits.recv() {
            let end = Instant::now() + LINGER;
            let mut batch = vec![first];
            while open && batch.len() < MOST {
                let left = end.saturating_duration_since(Instant::now());
                match commits.recv_timeout(left) {
                    Ok(Some(commit)) => batch.push(commit),
                    Ok(None) => open = false,
                    Err(_) => break,
                }
            }
            self.commit(batch);
        }
    }

    fn commit(&self, batch: Vec<Commit<'_>>) {
        let records: Vec<&ActionRecord> = batch.iter().map(|c| &c.result.record).collect();
        let kept = self.context.store.results().put(&records).map_err(|error| {
            let failure = Failure::System(error.to_string());
            self.state.pending.fail(failure)
        });
        for commit in batch {
            let Commit {
                index,
                result,
                mut report,
                lease,
            } = commit;
            let action = self.misses[index];
            self.state.pending.remove(&result.record);
            drop((lease, result.guard));
            match &kept {
                Ok(()) => {
                    self.clean_up_checkpoints(action, result.checkpoints);
                    let executor = &self.context.graph.stages[action.node].executor;
                    let launcher = self.context.launcher;
                    launcher.recorded(executor, &action.action_key);
                    update_view(
                        self.context.graph,
                        self.context.store,
                        action,
                        &result.record.outputs,
                    );
                }
                Err(failure) => {
                    report.outcome = Outcome::Failed;
                    report.error = Some(failure.to_string());
                    self.state.outputs.remove(action.node);
                }
            }
            self.state.reports.add(&self.context, index, report);
        }
    }

    /// Removes the checkpoints of a recorded action. The last one stays if the stage can be extended, for
    /// example by more epochs. Failing to remove them only costs disk space.
    fn clean_up_checkpoints(&self, action: &PlannedAction, checkpoints: Option<Checkpoints<'_>>) {
        let Some(checkpoints) = checkpoints else {
            return;
        };
        let resumable = self.context.graph.stages[action.node].stage.resumable();
        let result = match resumable {
            Some(resumable) if !resumable.open_ended.is_empty() => checkpoints.keep_furthest(),
            _ => checkpoints.clear(),
        };
        if let Err(error) = result {
            let name = self.context.name(action.node);
            tracing::warn!("checkpoints of `{name}` were not removed: {error}");
        }
    }
}
