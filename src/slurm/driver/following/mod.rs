//! The thread that follows all jobs.

mod submitting;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::outcome::Outcome;
use crate::records::JobRecord;
use crate::recover::Recovered;
use crate::site::SiteLimits;
use crate::state::JobId;
use crate::watch::Pace;
use crate::{Error, JobFolder, Settings};

use super::entry::{Entry, Next, Phase};
use super::errand::{Answer, Errand, Errands, Number};
use super::{Input, shared};
use submitting::Submitting;

/// Longest time between two looks at all folders, in seconds.
const MOST_LOOK: f64 = 2.0;
/// Pause after an answer that could not be used.
const RETRY: Duration = Duration::from_secs(3);

pub(super) struct Following {
    errands: Errands,
    /// `None` until the controller has answered.
    limits: Option<SiteLimits>,
    max_jobs: usize,
    late: Duration,
    entries: BTreeMap<Number, Entry>,
    next_number: Number,
    /// `true` while an errand is under way.
    is_busy: bool,
    is_cancelling: bool,
    /// Jobs to cancel, and the earliest time for that.
    to_cancel: Vec<(JobFolder, JobRecord)>,
    cancel_at: Instant,
    submitting: Submitting,
    ask_at: Instant,
    /// Time of the last question.
    asked_at: Instant,
    /// Jobs that end once they are cancelled.
    ending: BTreeMap<Number, Outcome>,
    ask_pace: Pace,
    look_at: Instant,
    /// Earliest time of the next look.
    look_rest: Instant,
    look_pace: Pace,
}

impl Following {
    pub(super) fn new(settings: &Settings, limits: Option<SiteLimits>, errands: Errands) -> Self {
        let now = Instant::now();
        Self {
            errands,
            limits,
            max_jobs: settings.max_jobs as usize,
            late: Duration::from_secs_f64(settings.late),
            entries: BTreeMap::new(),
            next_number: 0,
            is_busy: false,
            is_cancelling: false,
            to_cancel: Vec::new(),
            cancel_at: now,
            submitting: Submitting::new(),
            ask_at: now,
            asked_at: now,
            ending: BTreeMap::new(),
            ask_pace: Pace::up_to(settings.poll),
            look_at: now,
            look_rest: now,
            look_pace: Pace::up_to(MOST_LOOK.min(settings.poll)),
        }
    }

    pub(super) fn run(mut self, inputs: &Receiver<Input>) {
        loop {
            match inputs.recv_timeout(self.pause()) {
                Ok(Input::Close) | Err(RecvTimeoutError::Disconnected) => return self.leave(),
                Ok(input) => self.take(input),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.look();
            self.send_errand();
        }
    }

    /// Returns the time until something is to be done.
    fn pause(&self) -> Duration {
        let now = Instant::now();
        let mut next = match self.entries.is_empty() {
            true => now + Duration::from_secs(3600),
            false => self.look_at,
        };
        if !self.is_busy {
            if !self.to_cancel.is_empty() {
                next = next.min(self.cancel_at);
            }
            if self.has_submitted() {
                next = next.min(self.ask_at);
            }
            if let Some(at) = self.ready_at() {
                next = next.min(at);
            }
        }
        next.saturating_duration_since(now)
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Add(entry) => self.add(*entry),
            Input::Replace(job) => self.to_cancel.push(*job),
            Input::Leave | Input::Close => self.leave(),
            Input::Cancel => self.cancel(),
            Input::Answer(answer) => {
                self.is_busy = false;
                self.take_answer(answer);
            }
        }
    }

    fn add(&mut self, entry: Entry) {
        if self.is_cancelling {
            return entry.finish(Outcome::NotSubmitted);
        }
        let mut entry = entry;
        let now = Instant::now();
        // A folder without a claim was never submitted.
        if matches!(entry.folder.claim(), Ok(None)) && matches!(entry.folder.job(), Ok(None)) {
            entry.phase = Phase::Waiting;
            let first = self.submitting.gathering.map_or(now, |(first, _)| first);
            self.submitting.gathering = Some((first, now));
        }
        self.entries.insert(self.next_number, entry);
        self.next_number += 1;
        self.look_soon();
    }

    /// Looks in short intervals again.
    fn look_soon(&mut self) {
        self.look_pace.reset();
        let soon = Instant::now() + Pace::FIRST;
        self.look_at = self.look_at.min(soon).max(self.look_rest);
    }

    /// Asks in short intervals again.
    fn ask_soon(&mut self) {
        self.ask_pace.reset();
        self.ask_at = self.ask_at.min(Instant::now() + Pace::FIRST);
    }

    fn leave(&mut self) {
        for (_, entry) in std::mem::take(&mut self.entries) {
            let id = entry.submitted().map(JobRecord::id);
            entry.finish(Outcome::Left(id));
        }
    }

    /// Ends jobs that are not in Slurm, and cancels the others.
    fn cancel(&mut self) {
        self.is_cancelling = true;
        self.entries.retain(|_, entry| match &entry.phase {
            Phase::Waiting => {
                entry.finish(Outcome::NotSubmitted);
                false
            }
            Phase::Submitted(job) => {
                let job = (entry.folder.clone(), job.clone());
                self.to_cancel.push(job);
                true
            }
            // Cancelled once it is known whether they are in Slurm.
            Phase::Searching | Phase::Submitting => true,
        });
        self.look_soon();
        self.ask_soon();
    }

    fn look(&mut self) {
        let now = Instant::now();
        if now < self.look_at {
            return;
        }
        // The files of a job that is cancelled are not needed.
        let late = match self.is_cancelling {
            true => Duration::ZERO,
            false => self.late,
        };
        let mut done = Vec::new();
        for (number, entry) in &mut self.entries {
            let Some(job) = entry.submitted() else {
                continue;
            };
            let log = self.errands.log_of(job);
            let job = (entry.folder.clone(), job.clone());
            match entry.look(late, &log) {
                Next::Continue => {}
                Next::Finish(outcome) => done.push((*number, outcome)),
                // The caller may be the last one, and end this process.
                Next::CancelAndFinish(outcome) => {
                    if self.ending.insert(*number, outcome).is_none() {
                        self.to_cancel.push(job);
                    }
                }
            }
        }
        if !done.is_empty() {
            self.look_pace.reset();
        }
        for (number, outcome) in done {
            self.finish(number, outcome);
        }
        // With many jobs on a slow file system, a look takes long. It then fills at most a tenth of the time.
        self.look_rest = Instant::now() + now.elapsed() * 9;
        self.look_at = (Instant::now() + self.look_pace.pause()).max(self.look_rest);
    }

    fn finish(&mut self, number: Number, outcome: Outcome) {
        if let Some(entry) = self.entries.remove(&number) {
            entry.finish(outcome);
        }
    }

    fn has_submitted(&self) -> bool {
        self.entries
            .values()
            .any(|entry| entry.submitted().is_some())
    }

    /// Sends the most urgent errand, if none is under way.
    fn send_errand(&mut self) {
        if self.is_busy {
            return;
        }
        let errand = self.cancellation().or_else(|| self.search());
        let errand = errand
            .or_else(|| self.submission())
            .or_else(|| self.question());
        if let Some(errand) = errand {
            self.is_busy = true;
            self.errands.send(errand);
        }
    }

    fn cancellation(&mut self) -> Option<Errand> {
        if Instant::now() < self.cancel_at {
            return None;
        }
        let jobs = std::mem::take(&mut self.to_cancel);
        (!jobs.is_empty()).then_some(Errand::Cancel(jobs))
    }

    fn search(&self) -> Option<Errand> {
        let now = Instant::now();
        let due = |entry: &Entry| matches!(entry.phase, Phase::Searching) && entry.search_at <= now;
        let jobs = self.entries.iter().filter(|(_, entry)| due(entry));
        let jobs: Vec<_> = jobs
            .map(|(number, entry)| (*number, entry.folder.clone()))
            .collect();
        (!jobs.is_empty()).then_some(Errand::Recover(jobs))
    }

    fn question(&mut self) -> Option<Errand> {
        if Instant::now() < self.ask_at {
            return None;
        }
        let jobs: BTreeMap<JobId, String> = self
            .entries
            .values()
            .filter_map(Entry::submitted)
            .map(|job| (job.id(), job.tag.clone()))
            .collect();
        if jobs.is_empty() {
            return None;
        }
        self.asked_at = Instant::now();
        self.ask_at = self.asked_at + self.ask_pace.pause();
        Some(Errand::Ask(jobs))
    }

    fn take_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Recovered(jobs) => {
                for (number, result) in jobs {
                    self.take_recovered(number, result);
                }
            }
            Answer::Submitted(numbers, Ok(jobs)) => self.take_submitted(numbers, jobs),
            Answer::Submitted(numbers, Err(error)) => self.take_refusal(numbers, error),
            Answer::States(states) => {
                for entry in self.entries.values_mut() {
                    let id = entry.submitted().map(JobRecord::id);
                    if let Some(state) = id.and_then(|id| states.get(&id)) {
                        entry.take_state(state, self.asked_at);
                    }
                }
                // The next pause begins with the answer, which may have taken long.
                self.ask_at = self.ask_at.max(Instant::now() + Pace::FIRST);
            }
            Answer::Cancelled(jobs, Ok(())) => self.finish_cancelled(&jobs),
            Answer::Cancelled(jobs, Err(error)) => {
                // The marks in the folders stay, so no further job starts.
                tracing::debug!(%error, "failed to cancel jobs");
                for entry in self.entries.values_mut() {
                    entry.notice(format!("failed to cancel: {error}"));
                }
                self.to_cancel.extend(jobs);
                self.cancel_at = Instant::now() + RETRY;
            }
            Answer::Limits(limits) => self.take_limits(limits),
        }
    }

    /// Finishes the jobs among these that only had to be cancelled.
    fn finish_cancelled(&mut self, jobs: &[(JobFolder, JobRecord)]) {
        let is_among = |number: &Number| {
            let job = self.entries.get(number).and_then(Entry::submitted);
            job.is_none_or(|job| jobs.iter().any(|(_, cancelled)| cancelled.id() == job.id()))
        };
        let done: Vec<Number> = self.ending.keys().copied().filter(is_among).collect();
        for number in done {
            if let Some(outcome) = self.ending.remove(&number) {
                self.finish(number, outcome);
            }
        }
    }

    fn take_recovered(&mut self, number: Number, result: Result<Recovered, Error>) {
        let Some(entry) = self.entries.get_mut(&number) else {
            return;
        };
        match result {
            Ok(Recovered::Job(job)) => self.enter(number, job, true),
            Ok(Recovered::Free) => self.wait_again(number),
            Ok(Recovered::Busy) => entry.search_at = Instant::now() + RETRY,
            Err(error @ (Error::NoAnswer { .. } | Error::Full { .. })) => {
                entry.notice(error.to_string());
                entry.search_at = Instant::now() + RETRY;
            }
            Err(error) => self.finish(number, Outcome::Failed(shared(error))),
        }
    }

    /// Follows a job that is in Slurm.
    fn enter(&mut self, number: Number, job: JobRecord, adopted: bool) {
        let Some(entry) = self.entries.get_mut(&number) else {
            return;
        };
        if self.is_cancelling {
            let job = (entry.folder.clone(), job.clone());
            self.to_cancel.push(job);
        }
        entry.enter(job, adopted);
        if adopted {
            // It may have ended long ago.
            self.look_at = Instant::now();
        }
    }

    fn search_later(&mut self, number: Number, pause: Duration) {
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.phase = Phase::Searching;
            entry.search_at = Instant::now() + pause;
        }
    }

    fn tell(&mut self, number: Number, error: &Error) {
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.notice(error.to_string());
        }
    }
}
