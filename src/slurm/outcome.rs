//! How a job ended, for the caller.

use std::fmt;
use std::sync::Arc;

use contract::one_line;

use crate::decide::Loss;
use crate::records::{Ending, Started};
use crate::script::AGAIN;
use crate::state::{Exit, JobId};
use crate::{Error, reasons};

/// End of following a job.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The job wrote an ending.
    Ended(Ending),
    /// The job ended without an ending.
    Lost(Lost),
    /// Slurm will not start the job, which was cancelled.
    Held(Held),
    /// Following was given up. The job goes on; `None` if it is not known to be submitted.
    Left(Option<JobId>),
    /// The job was cancelled before it was submitted.
    NotSubmitted,
    /// The job could not be submitted or followed.
    Failed(Arc<Error>),
}

/// A job that ended without an ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    pub id: JobId,
    pub loss: Loss,
    /// Memory that the job was allowed to use, in bytes, if it was limited.
    pub memory: Option<u64>,
    /// The latest start. `None` if the job never started, or the node does not share the file system.
    pub started: Option<Started>,
    /// `true` if the job saved a checkpoint when it was interrupted.
    pub paused: bool,
    /// End of the job's log, or of the log of its allocation if it did not start.
    pub log: String,
}

impl Lost {
    /// Returns `true` if nothing is wrong with the job itself, so that it is worth another attempt.
    pub fn is_interruption(&self) -> bool {
        let has_started = self.started.is_some();
        match &self.loss {
            Loss::NodeFailed | Loss::Preempted | Loss::Forgotten => true,
            // The batch script leaves the rest of a pack to another attempt.
            Loss::Exited(Exit::Code(code)) if i64::from(*code) == i64::from(AGAIN) => true,
            // Other jobs of the pack used up the time, or the memory.
            Loss::TimedOut | Loss::OutOfMemory if !has_started => true,
            Loss::Exited(_) | Loss::TimedOut => self.paused,
            Loss::OutOfMemory | Loss::Cancelled(_) | Loss::Rejected(_) => false,
        }
    }

    /// Returns what a person can do.
    pub fn hint(&self) -> Option<String> {
        let text = match &self.loss {
            Loss::OutOfMemory => "raise `memory` of the stage",
            Loss::TimedOut if !self.paused => {
                "raise `timeout` of the stage, or the grace time `slurm.grace`"
            }
            Loss::Cancelled(_) => "the next run starts it again",
            Loss::NodeFailed | Loss::Preempted => {
                "`retries: 1` of the stage starts it again in the same run"
            }
            Loss::Rejected(reason) => reasons::permanent(reason)?.hint,
            Loss::Exited(_) if self.started.is_none() => {
                "`runner doctor --executor slurm` checks the binary, the modules and the shared folder on a node"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slurm job {}", self.id)?;
        if let Some(started) = &self.started {
            write!(f, " on `{}`", one_line(&started.node))?;
        }
        match &self.loss {
            Loss::Exited(Exit::Code(0)) if self.started.is_none() => {
                f.write_str(
                    " ended without starting the stage, or its files are not visible here",
                )?;
            }
            Loss::Exited(exit) if self.started.is_none() => {
                write!(f, " ended with {exit} before the stage started")?;
            }
            Loss::Exited(exit) => write!(f, " ended with {exit} and without a result")?,
            Loss::OutOfMemory => match self.memory {
                Some(bytes) => write!(f, " exceeded its memory of {} MiB", bytes >> 20)?,
                None => f.write_str(" exceeded its memory")?,
            },
            Loss::TimedOut => f.write_str(" reached its time limit")?,
            Loss::NodeFailed => f.write_str(" was lost with its node")?,
            Loss::Preempted => f.write_str(" was preempted")?,
            Loss::Cancelled(None) => f.write_str(" was cancelled")?,
            Loss::Cancelled(Some(user)) => {
                write!(f, " was cancelled by user `{}`", one_line(user))?
            }
            Loss::Rejected(reason) => write!(f, " was rejected: {}", one_line(reason))?,
            Loss::Forgotten => {
                f.write_str(" ended without a result, and Slurm no longer knows why")?
            }
        }
        if self.paused {
            f.write_str(", after it had saved a checkpoint")?;
        }
        Ok(())
    }
}

/// A job that Slurm does not start, for a reason that does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub id: JobId,
    /// Slurm's word.
    pub reason: String,
}

impl Held {
    /// Returns what a person can do.
    pub fn hint(&self) -> Option<String> {
        let found = reasons::permanent(&self.reason)?;
        let release = format!("`scontrol release {}`", self.id);
        Some(found.hint.replace("`scontrol release`", &release))
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = one_line(&self.reason);
        write!(f, "Slurm does not start job {}: {reason}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started() -> Started {
        Started {
            node: "lab1".to_owned(),
            process: 1,
            boot: None,
            processor: "x86".to_owned(),
            version: "1".to_owned(),
            job: None,
            element: None,
            attempt: 1,
            restart: 0,
        }
    }

    fn lost(loss: Loss) -> Lost {
        Lost {
            id: JobId {
                job: 7,
                element: Some(2),
            },
            loss,
            memory: Some(60 << 20),
            started: None,
            paused: false,
            log: String::new(),
        }
    }

    #[test]
    fn losses_are_described() {
        let killed = lost(Loss::Exited(Exit::Code(127)));
        assert_eq!(
            killed.to_string(),
            "Slurm job 7_2 ended with exit code 127 before the stage started"
        );
        assert!(killed.hint().unwrap().contains("doctor"));
        let mut timed_out = lost(Loss::TimedOut);
        assert_eq!(
            timed_out.to_string(),
            "Slurm job 7_2 reached its time limit"
        );
        assert!(timed_out.is_interruption(), "it did not start");
        timed_out.started = Some(started());
        assert!(!timed_out.is_interruption() && timed_out.hint().is_some());
        timed_out.paused = true;
        assert!(timed_out.is_interruption() && timed_out.hint().is_none());
        assert!(timed_out.to_string().ends_with("saved a checkpoint"));
        let cancelled = lost(Loss::Cancelled(Some("a\u{1b}[2J".to_owned())));
        assert!(!cancelled.to_string().contains('\u{1b}'), "{cancelled}");
        assert!(!cancelled.is_interruption());
        assert!(lost(Loss::NodeFailed).is_interruption());
        let out_of_memory = lost(Loss::OutOfMemory).to_string();
        assert_eq!(out_of_memory, "Slurm job 7_2 exceeded its memory of 60 MiB");
        let held = Held {
            id: killed.id,
            reason: "PartitionTimeLimit".to_owned(),
        };
        assert_eq!(
            held.to_string(),
            "Slurm does not start job 7_2: PartitionTimeLimit"
        );
        assert!(held.hint().unwrap().contains("slurm.time_limit"));
    }
}
