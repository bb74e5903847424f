//! One job that is followed.

use std::path::Path;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::decide::{Decision, Found, Loss, decide};
use crate::events::EventReader;
use crate::outcome::{Held, Lost, Outcome};
use crate::records::{JobRecord, Started};
use crate::resources::{Pack, Resources};
use crate::state::{Exit, State};
use crate::{Error, JobFolder, reasons};

use super::{Message, NewJob, Report, log_end, shared};

/// Time to wait for files of a job that has hardly written any.
const SOON: Duration = Duration::from_secs(5);

/// Returns the time to wait for files of a job that has ended, at most `late`.
fn patience(loss: &Loss, late: Duration) -> Duration {
    match loss {
        // It was killed, or its binary was not found.
        Loss::Cancelled(_)
        | Loss::OutOfMemory
        | Loss::Exited(Exit::Signal(_) | Exit::Code(126 | 127))
        | Loss::Rejected(_) => late.min(SOON),
        _ => late,
    }
}

/// How far a job is.
#[derive(Debug)]
pub(super) enum Phase {
    /// It is not known whether an earlier driver has submitted it.
    Searching,
    /// Not submitted.
    Waiting,
    /// An errand submits it.
    Submitting,
    /// In Slurm.
    Submitted(JobRecord),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) folder: JobFolder,
    pub(super) resources: Resources,
    pub(super) pack: Pack,
    pub(super) phase: Phase,
    /// What Slurm said last.
    pub(super) state: State,
    /// Earliest time of the next search.
    pub(super) search_at: Instant,
    events: EventReader,
    started: Option<Started>,
    /// Time at which the latest start was seen. Slurm's earlier answers say nothing about it.
    started_at: Option<Instant>,
    /// Number of times that Slurm may start the job again.
    restarts: u32,
    /// `true` once it was reported that the job waits again after its latest start.
    is_interrupted: bool,
    /// Length of the log in bytes.
    logged: u64,
    /// Loss that will be decided on, and since when files are waited for.
    late: Option<(Loss, Instant)>,
    /// The last notice, which is not repeated.
    noticed: String,
    /// The reason of the last [`Report::Waits`].
    waits_for: Option<String>,
    messages: Sender<Message>,
}

/// What is to be done with a job after a look at it.
#[derive(Debug)]
pub(super) enum Next {
    Continue,
    Finish(Outcome),
    /// Cancel the job in Slurm, and finish.
    CancelAndFinish(Outcome),
}

impl Entry {
    pub(super) fn new(folder: JobFolder, job: &NewJob, messages: Sender<Message>) -> Self {
        Self {
            events: EventReader::new(&folder),
            folder,
            resources: job.resources.clone(),
            pack: job.pack,
            phase: Phase::Searching,
            state: State::Unknown("not asked yet".to_owned()),
            search_at: Instant::now(),
            started: None,
            started_at: None,
            restarts: job.restarts,
            is_interrupted: false,
            logged: 0,
            late: None,
            noticed: String::new(),
            waits_for: None,
            messages,
        }
    }

    /// Notes the answer of Slurm to a question that was `asked` at this time. If Slurm does not know the state, the last
    /// one stays, except that an ending is only believed while Slurm confirms it.
    pub(super) fn take_state(&mut self, state: &State, asked: Instant) {
        let is_stale = self.started_at.is_some_and(|started| started >= asked);
        match state {
            State::Unknown(why) => {
                self.notice(format!("the state of the job is not known: {why}"));
                if self.state.is_over() {
                    self.state = state.clone();
                }
            }
            // It has started since.
            State::Pending(_) | State::Held(_) if is_stale => {}
            known => self.state = known.clone(),
        }
    }

    pub(super) fn submitted(&self) -> Option<&JobRecord> {
        match &self.phase {
            Phase::Submitted(job) => Some(job),
            Phase::Searching | Phase::Waiting | Phase::Submitting => None,
        }
    }

    /// Notes that the job is in Slurm.
    pub(super) fn enter(&mut self, job: JobRecord, adopted: bool) {
        let id = job.id();
        self.phase = Phase::Submitted(job);
        self.report(Report::Submitted { id, adopted });
    }

    pub(super) fn report(&self, report: Report) {
        // The caller has gone if it panicked. The job goes on.
        let _ = self.messages.send(Message::Report(report));
    }

    pub(super) fn notice(&mut self, text: String) {
        if self.noticed != text {
            self.noticed.clone_from(&text);
            self.report(Report::Notice(text));
        }
    }

    pub(super) fn finish(&self, outcome: Outcome) {
        let _ = self.messages.send(Message::Done(outcome));
    }

    /// Looks into the folder, passes on what is new, and decides. `late` is the time to wait for files, and
    /// `allocation_log` the log of the batch script.
    pub(super) fn look(&mut self, late: Duration, allocation_log: &Path) -> Next {
        match self.try_look(late, allocation_log) {
            Ok(next) => next,
            // Files of a shared file system can be unreadable for a moment. Slurm's state then bounds the wait.
            Err(error) if !self.state.is_over() => {
                self.notice(error.to_string());
                Next::Continue
            }
            Err(error) => match self.is_late(&Loss::Forgotten, late) {
                true => Next::Finish(Outcome::Failed(shared(error))),
                false => Next::Continue,
            },
        }
    }

    fn try_look(&mut self, late: Duration, allocation_log: &Path) -> Result<Next, Error> {
        self.folder.refresh();
        let started = self.folder.started()?;
        let ending = self.folder.ending()?;
        if let Some(started) = &started
            && self.started.as_ref() != Some(started)
        {
            self.report(Report::Started(started.clone()));
            self.started = Some(started.clone());
            self.started_at = Some(Instant::now());
            if matches!(self.state, State::Pending(_) | State::Held(_)) {
                self.state = State::Running;
            }
            self.is_interrupted = false;
            self.noticed.clear();
            self.waits_for = None;
        }
        // Events come after the ending was read, so that none is missing when the ending is passed on.
        for event in self.events.read()? {
            self.report(Report::Event(event));
        }
        let logged = std::fs::metadata(self.folder.log()).map_or(0, |found| found.len());
        if logged != self.logged {
            self.logged = logged;
            self.report(Report::Logged);
        }
        let found = Found::of(started, ending);
        Ok(match decide(&found, &self.state) {
            Decision::Wait => {
                self.late = None;
                if let Some(lost) = self.would_not_start_again(&found, allocation_log) {
                    return Ok(Next::CancelAndFinish(lost));
                }
                self.tell_reason(&found);
                Next::Continue
            }
            Decision::WaitForFiles(loss) => {
                let late = patience(&loss, late);
                if self.is_late(&loss, late) {
                    return Ok(Next::Finish(self.lost(loss, &found, allocation_log)));
                }
                if late > SOON {
                    let seconds = late.as_secs();
                    self.notice(format!(
                        "its job has ended; its files are waited for, at most {seconds} s"
                    ));
                }
                Next::Continue
            }
            Decision::Ended(ending) => Next::Finish(Outcome::Ended(ending)),
            Decision::Lost(loss) => Next::Finish(self.lost(loss, &found, allocation_log)),
            Decision::Held(reason) => self.held(reason),
        })
    }

    /// Returns `true` if files were waited for long enough.
    fn is_late(&mut self, loss: &Loss, late: Duration) -> bool {
        let now = Instant::now();
        let (known, since) = self.late.get_or_insert_with(|| (loss.clone(), now));
        known.clone_from(loss);
        since.elapsed() >= late
    }

    /// Returns the loss of a job that Slurm has put back, if the node would refuse to start it once more.
    fn would_not_start_again(&self, found: &Found, allocation_log: &Path) -> Option<Outcome> {
        let started = self.started.as_ref()?;
        let is_put_back = matches!(&self.state, State::Pending(reason) if reason == "BeginTime");
        let is_last = started.restart >= self.restarts;
        let loss = match found {
            // It was told to stop.
            Found::Paused(_) => Loss::Preempted,
            _ => Loss::NodeFailed,
        };
        (is_put_back && is_last).then(|| self.lost(loss, found, allocation_log))
    }

    /// Tells that a job was interrupted, or the reason for which it waits unless that is an everyday one.
    fn tell_reason(&mut self, found: &Found) {
        let State::Pending(reason) = &self.state else {
            return;
        };
        let has_checkpoint = matches!(found, Found::Paused(_));
        // Slurm's answer may be older than the start of the job. Only a job that was put back has this reason.
        let is_put_back = self.started.is_some() && reason == "BeginTime";
        let is_everyday = matches!(reason.as_str(), "None" | "Priority" | "Resources" | "");
        let reason = Some(reason.clone()).filter(|_| !is_everyday && !is_put_back);
        if let Some(reason) = &reason {
            self.notice(format!("Slurm lets the job wait: {reason}"));
        }
        self.report_reason(reason);
        if (has_checkpoint || is_put_back)
            && !self.is_interrupted
            && let Some(job) = self.submitted()
        {
            let id = job.id();
            self.is_interrupted = true;
            self.report(Report::Interrupted { id, has_checkpoint });
        }
    }

    fn report_reason(&mut self, reason: Option<String>) {
        if self.waits_for == reason {
            return;
        }
        self.waits_for.clone_from(&reason);
        if let Some(job) = self.submitted() {
            let id = job.id();
            self.report(Report::Waits { id, reason });
        }
    }

    fn held(&mut self, reason: String) -> Next {
        let Some(job) = self.submitted() else {
            return Next::Continue;
        };
        let held = Held {
            id: job.id(),
            reason,
        };
        if reasons::permanent(&held.reason).is_some_and(|found| found.by_person) {
            let hint = held.hint().unwrap_or_default();
            self.notice(format!("{held}; {hint}"));
            self.report_reason(Some(held.reason));
            return Next::Continue;
        }
        Next::CancelAndFinish(Outcome::Held(held))
    }

    fn lost(&self, loss: Loss, found: &Found, allocation_log: &Path) -> Outcome {
        let Some(job) = self.submitted() else {
            return Outcome::NotSubmitted;
        };
        // A job that starts before it is cancelled sees the mark, and ends by itself.
        let loss = match loss {
            Loss::Exited(_) if matches!(self.folder.is_cancelled(), Ok(true)) => {
                Loss::Cancelled(None)
            }
            loss => loss,
        };
        Outcome::Lost(Lost {
            id: job.id(),
            loss,
            memory: self.resources.memory,
            started: self.started.clone(),
            paused: matches!(found, Found::Paused(_)),
            log: log_end(&self.folder, allocation_log),
        })
    }
}

#[cfg(test)]
mod tests;
