//! Finds the result of an action in the store, or takes the lease to make it.

use std::thread;
use std::time::Duration;

use contract::Failure;

use super::context::Context;
use super::failure::store_failure;
use super::state::Pending;
use crate::event::Event;
use crate::plan::PlannedAction;
use store::keys::Key;
use store::{ActionRecord, Lease};

/// Interval between attempts to take a lease that another runner holds.
const LEASE_POLL: Duration = Duration::from_millis(100);

/// Looks for results in the store, and among those that are not recorded yet.
pub(super) struct Hits<'a> {
    pub context: Context<'a>,
    pub pending: &'a Pending,
}

impl Hits<'_> {
    /// Waits for the lease on the action, and reports which runs may hold it. Gives up if the run is stopped.
    pub(super) fn lease(&self, action: &PlannedAction) -> Result<Lease, Failure> {
        let store = self.context.store;
        let mut reported = false;
        loop {
            if self.context.launcher.is_stopping() {
                return Err(Failure::Cancelled);
            }
            let lease = store.try_lease(&action.action_key);
            if let Some(lease) = lease.map_err(store_failure)? {
                return Ok(lease);
            }
            if !reported {
                self.report_wait(action);
                reported = true;
            }
            thread::sleep(LEASE_POLL);
        }
    }

    fn report_wait(&self, action: &PlannedAction) {
        let mut runs = self.context.store.runs_that_need(&action.action_key);
        let own = self.context.folder.file_name().unwrap_or_default();
        runs.retain(|run| own != run.as_str());
        self.context.reporter.send(Event::StageWaits {
            stage: self.context.name(action.node),
            runs,
        });
    }

    /// Looks up the record under a key, including records that are not written yet.
    pub(super) fn lookup(&self, key: &Key) -> Result<Option<ActionRecord>, Failure> {
        match self.pending.get(key) {
            Some(record) => Ok(Some(record)),
            None => {
                let results = self.context.store.results();
                results.find(key).map_err(store_failure)
            }
        }
    }

    /// Looks for a record of the action. There is one if another runner has filled the miss meanwhile, or if
    /// the inputs have the same content as in an earlier run (early cutoff).
    pub(super) fn hit(
        &self,
        action: &PlannedAction,
        content_key: &Key,
    ) -> Result<Option<ActionRecord>, Failure> {
        let store = self.context.store;
        // A record found by its content key is protected only once it has this action's key too.
        let _guard = store.guard().map_err(store_failure)?;
        if let Some(record) = self.lookup(&action.action_key)?
            // An earlier record is of no use if the inputs have other content now.
            && record.content_key == *content_key
        {
            return Ok(Some(record));
        }
        let Some(record) = self.lookup(content_key)? else {
            return Ok(None);
        };
        let results = store.results();
        results
            .put_under(&record, action.action_key, &action.fingerprint)
            .map(Some)
            .map_err(store_failure)
    }
}
