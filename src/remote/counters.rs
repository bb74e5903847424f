//! Counts of requests, bytes and failures.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of what was asked of a remote since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Requests, including repeated ones.
    pub requests: u64,
    /// Bytes of content received and sent, including those of repeated requests.
    pub received: u64,
    pub sent: u64,
    /// Records that were looked up, and those of them that the remote has.
    pub lookups: u64,
    pub hits: u64,
    /// Lookups that were answered from this machine's memory of earlier answers.
    pub known: u64,
    pub retries: u64,
    /// Operations that failed, after all retries.
    pub failures: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: Counter,
    pub(crate) received: Counter,
    pub(crate) sent: Counter,
    pub(crate) lookups: Counter,
    pub(crate) hits: Counter,
    pub(crate) known: Counter,
    pub(crate) retries: Counter,
    pub(crate) failures: Counter,
}

impl Counters {
    pub(crate) fn read(&self) -> Statistics {
        Statistics {
            requests: self.requests.get(),
            received: self.received.get(),
            sent: self.sent.get(),
            lookups: self.lookups.get(),
            hits: self.hits.get(),
            known: self.known.get(),
            retries: self.retries.get(),
            failures: self.failures.get(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
