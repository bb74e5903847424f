//! The node's side of the protocol.
//!
//! [`Node::start`] decides whether a process may run the job of a folder:
//!
//! | found | result |
//! | --- | --- |
//! | no request within [`PATIENCE`] | error: the node does not see the driver's files |
//! | the claim is of another submission | [`Idle::Superseded`] |
//! | marked as cancelled | [`Idle::Cancelled`] |
//! | another process holds the lock of the folder | [`Idle::Running`], after a while |
//! | a final ending | [`Idle::Ended`] |
//! | another version of the binary | ending `refused`, and an error |
//! | started more often than allowed | ending `refused`, and [`Idle::Ended`] |
//! | nothing of that | `started.json`, and the job runs |

mod facts;
mod interrupts;

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use contract::files;
use serde::Serialize;

use facts::{Lock, has_claim, refuse, started, take_lock, wait_for_request};
pub use interrupts::{Interrupt, Interrupts};

use crate::records::{EndResult, Ending, Request, Started};
use crate::script::{AGAIN, TAG_VARIABLE};
use crate::{Error, JobFolder};

/// Longest wait for files that the driver wrote before the submission.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for the lock of an earlier process. Servers release the locks of a lost node after about 90 s.
const LOCK_PATIENCE: Duration = Duration::from_secs(120);

/// Facts about this process that the engine knows.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Version of this binary.
    pub version: String,
    /// Kind of processor.
    pub processor: String,
}

/// Reason why a node has nothing to do for a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// The job was submitted again by another driver.
    Superseded,
    Cancelled,
    /// Another process runs the job.
    Running,
    Ended,
}

/// Result of [`Node::start`].
#[derive(Debug)]
pub enum Start {
    Run(Box<Node>),
    Idle(Idle),
}

/// Resources that a job used in one start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Used {
    pub seconds: f64,
    pub cpu_seconds: f64,
    pub peak_memory_mib: f64,
}

/// A job that this process runs.
#[derive(Debug)]
pub struct Node {
    folder: JobFolder,
    request: Request,
    started: Started,
    events: File,
    /// Held for the life of the process. `None` on file systems without locks.
    _lock: Option<File>,
}

impl Node {
    /// Begins to run the job of a folder, if there is something to do.
    ///
    /// # Errors
    /// If the request is not visible, the version differs, or a file cannot be written.
    pub fn start(folder: JobFolder, identity: &Identity) -> Result<Start, Error> {
        let tag = std::env::var(TAG_VARIABLE).ok();
        Self::start_as(folder, identity, tag.as_deref(), LOCK_PATIENCE)
    }

    fn start_as(
        folder: JobFolder,
        identity: &Identity,
        tag: Option<&str>,
        lock_patience: Duration,
    ) -> Result<Start, Error> {
        let request = wait_for_request(&folder)?;
        if let Some(tag) = tag
            && !has_claim(&folder, tag)?
        {
            return Ok(Start::Idle(Idle::Superseded));
        }
        if folder.is_cancelled()? {
            return Ok(Start::Idle(Idle::Cancelled));
        }
        let lock = match take_lock(&folder, lock_patience)? {
            Lock::Ours(lock) => Some(lock),
            Lock::Unsupported => None,
            Lock::Taken => return Ok(Start::Idle(Idle::Running)),
        };
        folder.refresh();
        let ending = folder.ending()?;
        if ending.is_some_and(|ending| ending.result != EndResult::Paused) {
            return Ok(Start::Idle(Idle::Ended));
        }
        let started = started(&folder, &request, identity)?;
        if request.version != identity.version {
            let error = Error::Version {
                expected: request.version,
                found: identity.version.clone(),
            };
            refuse(&folder, &started, error.to_string())?;
            return Err(error);
        }
        if started.restart > request.restarts {
            let most = request.restarts;
            let text = format!(
                "the job was interrupted {}; with `retries: {}`, the stage would start again",
                match most {
                    0 => "once".to_owned(),
                    most => format!("{} times", most + 1),
                },
                most + 1
            );
            refuse(&folder, &started, text)?;
            return Ok(Start::Idle(Idle::Ended));
        }
        folder.put_started(&started)?;
        let outputs = folder.outputs(started.restart);
        files::create_folders(&outputs).map_err(Error::io("create", &outputs))?;
        let node = Self {
            events: folder.events()?,
            folder,
            request,
            started,
            _lock: lock,
        };
        Ok(Start::Run(Box::new(node)))
    }

    pub fn folder(&self) -> &JobFolder {
        &self.folder
    }

    pub fn request(&self) -> &Request {
        &self.request
    }

    pub fn started(&self) -> &Started {
        &self.started
    }

    /// Returns the folder for the outputs of this start.
    pub fn outputs(&self) -> PathBuf {
        self.folder.outputs(self.started.restart)
    }

    /// Appends an event, which the driver passes on.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn event(&self, event: &impl Serialize) -> Result<(), Error> {
        let what = "an event";
        let mut line =
            serde_json::to_vec(event).map_err(|source| Error::Serialize { what, source })?;
        line.push(b'\n');
        let written = (&self.events).write_all(&line);
        written.map_err(Error::io("write", self.folder.path()))
    }

    /// Ends this start. Returns the exit code for the batch script.
    ///
    /// # Errors
    /// If the ending cannot be written. Then the driver sees a lost job.
    pub fn end(self, result: EndResult, used: Used) -> Result<i32, Error> {
        self.events
            .sync_all()
            .map_err(Error::io("flush", self.folder.path()))?;
        // A node that was given up may be back, while the job runs elsewhere.
        let latest = self.folder.started()?;
        if latest.is_some_and(|latest| latest.restart > self.started.restart) {
            return Ok(1);
        }
        let code = match &result {
            EndResult::Succeeded(_) => 0,
            EndResult::Failed(_) | EndResult::Refused(_) => 1,
            EndResult::Paused if self.may_go_on()? => AGAIN,
            EndResult::Paused => 1,
        };
        self.folder.put_ending(&Ending {
            attempt: self.started.attempt,
            restart: self.started.restart,
            result,
            seconds: used.seconds,
            cpu_seconds: used.cpu_seconds,
            peak_memory_mib: used.peak_memory_mib,
        })?;
        Ok(code)
    }
}

impl Node {
    /// Returns `true` if Slurm may start the job again.
    fn may_go_on(&self) -> Result<bool, Error> {
        Ok(self.started.restart < self.request.restarts && !self.folder.is_cancelled()?)
    }
}

impl JobFolder {
    /// Removes the outputs of earlier starts, which nobody will read.
    ///
    /// # Errors
    /// If something cannot be removed.
    pub fn remove_old_outputs(&self, latest: u32) -> Result<(), Error> {
        for restart in 0..latest {
            let outputs = self.outputs(restart);
            match fs::remove_dir_all(&outputs) {
                Err(error) if !files::is_absence(&error) => {
                    return Err(Error::io("remove", &outputs)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
