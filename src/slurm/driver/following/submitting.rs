//! The part of the thread that decides when to submit which jobs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Error;
use crate::driver::shared;
use crate::outcome::Outcome;
use crate::records::JobRecord;
use crate::site::SiteLimits;
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
        searches.chain(self.submission_at()).min()
    }

    /// Returns the time of the next submission, or of the question about limits that comes before it. `None` if no job
    /// waits, or none may be submitted.
    fn submission_at(&self) -> Option<Instant> {
        let is_waiting = |entry: &Entry| matches!(entry.phase, Phase::Waiting);
        if !self.entries.values().any(is_waiting) || self.capacity() == Some(0) {
            return None;
        }
        let Submitting { gathering, at, .. } = &self.submitting;
        let gathered = gathering.map(|(first, last)| (last + GATHER).min(first + MOST_GATHER));
        Some(gathered.map_or(*at, |gathered| gathered.max(*at)))
    }

    /// Returns the number of allocations that may be submitted now. `None` if the limits are not known.
    fn capacity(&self) -> Option<usize> {
        let limits = self.limits?;
        let ids: BTreeSet<JobId> = self
            .entries
            .values()
            .filter_map(Entry::submitted)
            .map(JobRecord::id)
            .collect();
        let most = self.max_jobs.min(limits.submitted as usize);
        let most = most.saturating_sub(ids.len());
        Some(
            most.min(limits.elements.max(1) as usize)
                .min(self.submitting.chunk),
        )
    }

    /// Returns the submission of the waiting jobs that have the same request as the first one.
    pub(super) fn submission(&mut self) -> Option<Errand> {
        self.submission_at().filter(|at| *at <= Instant::now())?;
        let Some(capacity) = self.capacity() else {
            return Some(Errand::ReadLimits);
        };
        let is_waiting = |entry: &&mut Entry| matches!(entry.phase, Phase::Waiting);
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
        // Endings are read from files. While jobs are submitted all the time, asking soon after each would ask all the
        // time.
        if !self.has_submitted() {
            self.ask_soon();
        }
        for (number, job) in numbers.into_iter().zip(jobs) {
            match job {
                Some(job) => self.enter(number, job, false),
                // Another driver was faster.
                None => self.search_later(number, Duration::ZERO),
            }
        }
        self.look_soon();
    }

    pub(super) fn take_limits(&mut self, limits: Result<SiteLimits, Error>) {
        match limits {
            Ok(limits) => self.limits = Some(limits),
            Err(error) => {
                let is_waiting = |entry: &Entry| matches!(entry.phase, Phase::Waiting);
                let waiting = self.entries.iter().filter(|(_, entry)| is_waiting(entry));
                let waiting: Vec<Number> = waiting.map(|(number, _)| *number).collect();
                self.submitting.at = Instant::now() + RETRY;
                self.take_refusal(waiting, error);
            }
        }
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
                    self.wait_again(number);
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

    /// Puts a job back that was not submitted.
    pub(super) fn wait_again(&mut self, number: Number) {
        if self.is_cancelling {
            self.finish(number, Outcome::NotSubmitted);
        } else if let Some(entry) = self.entries.get_mut(&number) {
            entry.phase = Phase::Waiting;
        }
    }
}
