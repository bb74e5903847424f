//! Records finished actions in batches.
//!
//! Whatever depends on an action may start as soon as its outputs are in the store. Its record, however, may
//! get its name only when everything it names is on disk, and it is faster to flush once for several actions
//! than once for each. A separate thread therefore takes all actions that were made meanwhile, records them
//! together, and only then reports them as done.

use std::collections::HashMap;
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use contract::Failure;

use super::local::{Local, lock};
use crate::event::{Event, StageReport};
use crate::keys::Key;
use crate::scheduler::Outcome;
use crate::store::{ActionRecord, Checkpoints, Guard, Lease};

/// Longest time that the first action of a batch waits for others.
const LINGER: Duration = Duration::from_millis(10);
/// Most actions in a batch.
const MOST: usize = 256;

/// An action that was made and must be recorded.
pub(super) struct Made<'a> {
    pub record: ActionRecord,
    pub checkpoints: Option<Checkpoints<'a>>,
    /// Held because nothing in the store names the blobs yet.
    pub guard: Guard,
}

/// Message to the recorder thread.
pub(super) struct Commit<'a> {
    /// Position of the miss.
    pub index: usize,
    pub made: Made<'a>,
    pub report: StageReport,
    /// Held until others can find the record.
    pub lease: Lease,
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
    pub fn add(&self, record: &ActionRecord) {
        let mut records = lock(&self.records);
        for key in [record.action_key, record.content_key] {
            records.insert(key, record.clone());
        }
    }

    pub fn get(&self, key: &Key) -> Option<ActionRecord> {
        lock(&self.records).get(key).cloned()
    }

    /// Checks that results can still be recorded.
    ///
    /// # Errors
    /// The failure to record an earlier result, after which making more is of no use.
    pub fn check(&self) -> Result<(), Failure> {
        self.broken.get().cloned().map_or(Ok(()), Err)
    }

    fn remove(&self, record: &ActionRecord) {
        let mut records = lock(&self.records);
        for key in [record.action_key, record.content_key] {
            records.remove(&key);
        }
    }
}

impl<'a> Local<'a> {
    /// Records commits until `None` is received.
    pub(super) fn commit_all(&self, commits: &Receiver<Option<Commit<'a>>>) {
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

    fn commit(&self, batch: Vec<Commit<'a>>) {
        let records = batch.iter().map(|commit| &commit.made.record);
        let kept = self.store.record_all(records).map_err(|error| {
            let failure = Failure::System(error.to_string());
            self.pending.broken.get_or_init(|| failure).clone()
        });
        for commit in batch {
            let Commit {
                index,
                made,
                mut report,
                lease,
            } = commit;
            let action = self.misses[index].action;
            self.pending.remove(&made.record);
            drop((lease, made.guard));
            match &kept {
                Ok(()) => {
                    self.settle(action, made.checkpoints);
                    self.keep_view(action, &made.record.outputs);
                }
                Err(failure) => {
                    report.outcome = Outcome::Failed;
                    report.error = Some(failure.to_string());
                    lock(&self.outputs).remove(&action.node);
                }
            }
            self.end(index, report);
        }
    }

    /// Reports the end of an action.
    pub(super) fn end(&self, index: usize, report: StageReport) {
        tracing::debug!(stage = report.name, outcome = %report.outcome, error = report.error, "ended");
        self.reporter.send(&Event::StageEnded {
            stage: report.clone(),
        });
        lock(&self.reports).insert(index, report);
    }
}
