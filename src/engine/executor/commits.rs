//! Keeping what was made, many actions at once.
//!
//! What depends on an action may start as soon as its outputs are in the store. Its record, though,
//! gets its name only when all that it names is on disk, and waiting for disks is better done once for
//! several actions than for each: so a thread of its own takes whatever has been made meanwhile, puts
//! it on disk, and only then says of each that it is done.

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

/// How long the first of several waits for others to be recorded with.
const LINGER: Duration = Duration::from_millis(10);
/// Actions that are recorded at once.
const MOST: usize = 256;

/// An action that was made, and is to be recorded.
pub(super) struct Made<'a> {
    pub record: ActionRecord,
    pub checkpoints: Option<Checkpoints<'a>>,
    /// Nothing else names the blobs yet.
    pub guard: Guard,
}

/// What goes to the thread that records.
pub(super) struct Commit<'a> {
    /// Of the miss.
    pub index: usize,
    pub made: Made<'a>,
    pub report: StageReport,
    /// Held until others can find the record.
    pub lease: Lease,
}

/// What is made and not recorded yet.
#[derive(Default)]
pub(super) struct Pending {
    /// By action key and by content key.
    records: Mutex<HashMap<Key, ActionRecord>>,
    /// Why nothing can be recorded any more.
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

    /// # Errors
    /// If nothing can be recorded any more: then nothing more needs to be made.
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
    /// Records what comes, until nothing does any more.
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

    /// Tells how an action ended.
    pub(super) fn end(&self, index: usize, report: StageReport) {
        tracing::debug!(stage = report.name, outcome = %report.outcome, error = report.error, "ended");
        self.reporter.send(&Event::StageEnded {
            stage: report.clone(),
        });
        lock(&self.reports).insert(index, report);
    }
}
