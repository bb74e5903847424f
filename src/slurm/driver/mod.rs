//! Submits jobs and follows them to their ends.
//!
//! One thread follows all jobs: it reads their folders, and decides. A second one runs Slurm's commands one after the
//! other, because a controller that is down blocks each of them for seconds, while folders can still be read. Callers
//! block in [`Driver::run`], one thread for each job.
//!
//! A job that an earlier driver has submitted is followed instead of submitted again, and one that has ended meanwhile
//! is collected. New jobs are collected for a moment, and those with equal requests are submitted together.

mod entry;
mod errand;
mod following;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use serde_json::Value;

use crate::outcome::Outcome;
use crate::records::{EndResult, JobRecord, Request, Started};
use crate::resources::{Pack, Resources};
use crate::state::JobId;
use crate::submit::Submitter;
use crate::{Error, JobFolder};

use entry::Entry;
use following::Following;

/// Work to run as a job.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Folder in which the attempts at this work are. It is named after the key of the work.
    pub root: PathBuf,
    pub resources: Resources,
    pub pack: Pack,
    /// Number of times that Slurm may start the job again.
    pub restarts: u32,
    /// `true` to start over instead of following or collecting what an earlier driver has left.
    pub starts_over: bool,
    /// The work itself, which the node gets.
    pub work: Value,
}

/// News about a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The job is in Slurm. `adopted` is `true` if an earlier driver submitted it.
    Submitted { id: JobId, adopted: bool },
    /// The job waits for a reason that is not an everyday one: Slurm's word. `None` once that reason has passed.
    Waits { id: JobId, reason: Option<String> },
    /// The job started, for the first time or again.
    Started(Started),
    /// The job was stopped by its time limit, by a more urgent job or by the loss of its node, and waits to go on.
    Interrupted { id: JobId, has_checkpoint: bool },
    /// The log has grown.
    Logged,
    /// An event of the work.
    Event(Value),
    /// Something that a person may want to know, such as the reason for which the job waits.
    Notice(String),
}

/// A job that is no longer followed.
#[derive(Debug)]
pub struct Followed {
    /// Folder of the attempt. The caller removes it, or marks it with [`JobFolder::put_collected`], once it has what it
    /// needs. Until then, the next driver collects the same ending again.
    pub folder: JobFolder,
    pub outcome: Outcome,
}

/// Input of the thread that follows jobs.
#[derive(Debug)]
enum Input {
    Add(Box<Entry>),
    /// Cancel a job that is not followed.
    Replace(Box<(JobFolder, JobRecord)>),
    Leave,
    Cancel,
    Answer(errand::Answer),
    Close,
}

/// Message to the caller of [`Driver::run`].
#[derive(Debug)]
enum Message {
    Report(Report),
    Done(Outcome),
}

/// Follows jobs on one site.
#[derive(Debug)]
pub struct Driver {
    version: String,
    input: Sender<Input>,
}

impl Driver {
    /// Starts to follow jobs. `version` is the version of this binary, which nodes must have too. A controller that is
    /// down is waited for.
    ///
    /// # Errors
    /// If Slurm's commands do not work here.
    pub fn new(submitter: Submitter, version: &str) -> Result<Self, Error> {
        let limits = match submitter.client.limits(submitter.settings()) {
            Ok(limits) => Some(limits),
            Err(Error::NoAnswer { .. }) => None,
            Err(error) => return Err(error),
        };
        let (input, inputs) = mpsc::channel();
        let errands = errand::start(submitter.clone(), input.clone());
        let following = Following::new(submitter.settings(), limits, errands);
        thread::spawn(move || following.run(&inputs));
        Ok(Self {
            version: version.to_owned(),
            input,
        })
    }

    /// Runs a job to its end, and calls `on_report` meanwhile. Blocks.
    ///
    /// # Errors
    /// If the job's folder cannot be read or written, or another version of the program has submitted it.
    pub fn run(&self, job: &NewJob, on_report: &dyn Fn(Report)) -> Result<Followed, Error> {
        let folder = self.prepare(job, on_report)?;
        let (messages, receiver) = mpsc::channel();
        let entry = Entry::new(folder.clone(), job, messages);
        let stopped = || Outcome::Left(None);
        if self.input.send(Input::Add(Box::new(entry))).is_err() {
            let outcome = stopped();
            return Ok(Followed { folder, outcome });
        }
        let outcome = receive(&receiver, on_report).unwrap_or_else(stopped);
        Ok(Followed { folder, outcome })
    }

    /// Stops following all jobs. They go on in Slurm.
    pub fn leave(&self) {
        let _ = self.input.send(Input::Leave);
    }

    /// Cancels all jobs, and follows them to their ends.
    pub fn cancel(&self) {
        let _ = self.input.send(Input::Cancel);
    }

    /// Returns the folder of the attempt to run: the latest one, or a new one if the latest is over or is replaced.
    fn prepare(&self, job: &NewJob, on_report: &dyn Fn(Report)) -> Result<JobFolder, Error> {
        let number = match JobFolder::latest(&job.root)? {
            None => 1,
            Some((number, folder)) if folder.is_collected()? => number + 1,
            Some((number, folder)) => match replacement(&folder, job)? {
                Some(why) => {
                    self.replace(&folder, why, on_report)?;
                    number + 1
                }
                None if self.is_usable(&folder)? => number,
                None => number + 1,
            },
        };
        let folder = JobFolder::attempt(&job.root, number);
        folder.create(&Request {
            version: self.version.clone(),
            attempt: number,
            restarts: job.restarts,
            resources: job.resources.clone(),
            work: job.work.clone(),
        })?;
        Ok(folder)
    }

    /// Ends an attempt in favour of the next one.
    fn replace(
        &self,
        folder: &JobFolder,
        why: &str,
        on_report: &dyn Fn(Report),
    ) -> Result<(), Error> {
        if !has_ended(folder)? {
            // A job that starts before it is cancelled sees the mark.
            folder.put_cancel()?;
            if let Some(job) = folder.job()? {
                let id = job.id();
                on_report(Report::Notice(format!(
                    "Slurm job {id} of an earlier run is cancelled, because {why}"
                )));
                let _ = self
                    .input
                    .send(Input::Replace(Box::new((folder.clone(), job))));
            }
        }
        folder.put_collected()
    }

    /// Returns `true` if an attempt that was not collected is to be submitted, followed or collected, and `false` if it
    /// is over.
    fn is_usable(&self, folder: &JobFolder) -> Result<bool, Error> {
        let Some(request) = folder.request()? else {
            return Ok(true);
        };
        let has_ended = has_ended(folder)?;
        // The driver that cancelled it may have died before it saw the end.
        if folder.is_cancelled()? && !has_ended {
            return Ok(false);
        }
        if request.version == self.version || has_ended {
            return Ok(true);
        }
        if folder.claim()?.is_none() {
            return Ok(false);
        }
        let job = folder.job()?.map(|job| job.id().to_string());
        let (job, version) = (job.as_deref().unwrap_or("ID"), request.version);
        Err(Error::Request {
            problem: format!(
                "version {version} of runner has submitted this stage as Slurm job {job}, and this is version {}",
                self.version
            ),
            hint: format!(
                "run version {version} again to get its result, or cancel it with `scancel {job}`"
            ),
        })
    }
}

/// Returns the reason for which an attempt is to be replaced by a new one, if there is any.
fn replacement(folder: &JobFolder, job: &NewJob) -> Result<Option<&'static str>, Error> {
    if job.starts_over {
        return Ok(Some("the stage starts over"));
    }
    let asks_for_other = asks_for_other(folder, &job.resources)?;
    Ok(asks_for_other.then_some("the stage asks for other resources now"))
}

/// Returns `true` if an attempt waits for other resources than these. One that has started has what it needs.
///
/// # Errors
/// If the job's folder cannot be read.
pub fn asks_for_other(folder: &JobFolder, resources: &Resources) -> Result<bool, Error> {
    let request = folder.request()?;
    let is_other = request.is_some_and(|request| request.resources != *resources);
    Ok(is_other && folder.started()?.is_none() && !has_ended(folder)?)
}

/// Returns `true` if an attempt has its last ending.
fn has_ended(folder: &JobFolder) -> Result<bool, Error> {
    let ending = folder.ending()?;
    Ok(ending.is_some_and(|ending| ending.result != EndResult::Paused))
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.input.send(Input::Close);
    }
}

fn receive(receiver: &Receiver<Message>, on_report: &dyn Fn(Report)) -> Option<Outcome> {
    for message in receiver {
        match message {
            Message::Report(report) => on_report(report),
            Message::Done(outcome) => return Some(outcome),
        }
    }
    None
}

impl Submitter {
    /// Returns the path of the log of an allocation, which has what the batch script prints.
    fn log_of(&self, job: &JobRecord) -> PathBuf {
        let name = match job.element {
            Some(element) => format!("slurm-{element}.log"),
            None => "slurm.log".to_owned(),
        };
        self.submission(&job.tag).join(name)
    }
}

/// Returns an error that several jobs share.
fn shared(error: Error) -> Arc<Error> {
    Arc::new(error)
}

/// Returns the end of a job's own log; if that is empty, of the log of its allocation.
fn log_end(folder: &JobFolder, allocation: &Path) -> String {
    match folder.log_end() {
        text if text.is_empty() => crate::folder::end_of(allocation),
        text => text,
    }
}
