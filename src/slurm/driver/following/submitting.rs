//! The part of the thread that decides when to submit which jobs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Error;
use crate::driver::shared;
use crate::outcome::Outcome;
use crate::records::JobRecord;
use crate::state::JobId;

use super::{Following, RETRY};
use crate::driver::entry::{Entry, Phase};
use crate::driver::errand::{Errand, Number};

/// Time without a new job after which the waiting ones are submitted, and longest time that one waits for others.
const GATHER: Duration = Duration::from_millis(50);
const MOST_GATHER: Duration = Duration::from_millis(500);
const MOST_RETRY: Duration = Duration::from_secs(60);
/// Number of times that Slurm may take no jobs although none of ours is in the queue. After that, its limit is taken
/// for permanent.
const MOST_FULL: u32 = 5;

/// State of the submissions.
#[derive(Debug)]
pub(super) struct Submitting {
    /// Time of the first and the last job that was added since the last submission.
    pub(super) gathering: Option<(Instant, Instant)>,
    pub(super) at: Instant,
    retry: Duration,
    /// Number of times that Slurm took no jobs while none of ours was in the queue.
    full: u32,
    /// Most jobs to submit at once, after Slurm took no more.
    chunk: usize,
}

impl Submitting {
    pub(super) fn new() -> Self {
        Self {
            gathering: None,
            at: Instant::now(),
            retry: RETRY,
            full: 0,
            chunk: usize::MAX,
        }
    }
}

impl Following {
    /// Returns the time at which the next job can be searched for or submitted.
    pub(super) fn ready_at(&self) -> Option<Instant> {
        let searches = self
            .entries
            .values()
            .filter_map(|entry| matches!(entry.phase, Phase::Searching).then_some(entry.search_at));
        let is_waiting = |entry: &Entry| matches!(entry.phase, Phase::Waiting);
        let waits = self.entries.values().any(is_waiting) && self.capacity() > 0;
        let submission = waits.then(|| {
            let gathered = self
                .submitting
                .gathering
                .map(|(first, last)| (last + GATHER).min(first + MOST_GATHER));
            gathered.map_or(self.submitting.at, |at| at.max(self.submitting.at))
        });
        searches.chain(submission).min()
    }

    /// Returns the number of allocations that may be submitted now.
    pub(super) fn capacity(&self) -> usize {
        let ids: BTreeSet<JobId> = self
            .entries
            .values()
            .filter_map(Entry::submitted)
            .map(JobRecord::id)
            .collect();
        let most = self.max_jobs.min(self.limits.submitted as usize);
        let most = most.saturating_sub(ids.len());
        most.min(self.limits.elements.max(1) as usize)
            .min(self.submitting.chunk)
    }

    /// Returns the submission of the waiting jobs that have the same request as the first one.
    pub(super) fn submission(&mut self) -> Option<Errand> {
        let now = Instant::now();
        let ready = self.ready_at().is_some_and(|at| at <= now);
        let is_waiting = |entry: &&mut Entry| matches!(entry.phase, Phase::Waiting);
        let capacity = self.capacity();
        if !ready || capacity == 0 {
            return None;
        }
        let mut waiting = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| is_waiting(entry))
            .peekable();
        let (_, first) = waiting.peek()?;
        let (resources, pack) = (first.resources.clone(), first.pack);
        let equal = waiting.filter(|(_, entry)| entry.resources == resources && entry.pack == pack);
        let (mut numbers, mut folders) = (Vec::new(), Vec::new());
        for (number, entry) in equal.take(capacity.saturating_mul(pack.size.max(1) as usize)) {
            entry.phase = Phase::Submitting;
            numbers.push(*number);
            folders.push(entry.folder.clone());
        }
        Some(Errand::Submit {
            numbers,
            folders,
            resources,
            pack,
        })
    }

    pub(super) fn take_submitted(&mut self, numbers: Vec<Number>, jobs: Vec<Option<JobRecord>>) {
        self.submitting.gathering = None;
        self.submitting.full = 0;
        self.submitting.retry = RETRY;
        self.submitting.chunk = self.submitting.chunk.saturating_mul(2);
        for (number, job) in numbers.into_iter().zip(jobs) {
            match job {
                Some(job) => self.enter(number, job, false),
                // Another driver was faster.
                None => self.search_later(number, Duration::ZERO),
            }
        }
        self.quicken();
    }

    pub(super) fn take_refusal(&mut self, numbers: Vec<Number>, error: Error) {
        self.submitting.gathering = None;
        let is_alone = !self.has_submitted();
        match error {
            Error::NoAnswer { .. } | Error::Unexpected { .. } => {
                for number in numbers {
                    self.tell(number, &error);
                    self.search_later(number, RETRY);
                }
            }
            Error::Full { .. } if !is_alone || self.submitting.full < MOST_FULL => {
                self.submitting.full += u32::from(is_alone);
                self.submitting.chunk = (numbers.len() / 2).max(1);
                self.submitting.at = Instant::now() + self.submitting.retry;
                self.submitting.retry = (self.submitting.retry * 2).min(MOST_RETRY);
                for number in numbers {
                    self.tell(number, &error);
                    if let Some(entry) = self.entries.get_mut(&number) {
                        entry.phase = Phase::Waiting;
                    }
                }
            }
            error => {
                let error = shared(error);
                for number in numbers {
                    self.finish(number, Outcome::Failed(Arc::clone(&error)));
                }
            }
        }
    }
}
