//! States of jobs.

use std::fmt;

use crate::reasons;

/// Id of a Slurm job, or of an element of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId {
    pub job: u32,
    pub element: Option<u32>,
}

impl JobId {
    /// Returns the id of an array that an answer may have in place of elements that were cancelled before they started.
    pub(crate) fn remainder(self) -> Self {
        Self {
            element: None,
            ..self
        }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.element {
            Some(element) => write!(f, "{}_{element}", self.job),
            None => write!(f, "{}", self.job),
        }
    }
}

/// End of a batch script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(u32),
    Signal(u32),
}

impl Exit {
    /// Interprets a code as a shell does: codes above 128 mean that a signal ended the program.
    pub(crate) fn of_code(code: u32) -> Self {
        match code {
            129..=192 => Self::Signal(code - 128),
            code => Self::Code(code),
        }
    }

    /// Reads a status of `wait` (wait(2)).
    pub(crate) fn of_status(status: u32) -> Self {
        match status & 0x7f {
            0 => Self::of_code((status >> 8) & 0xff),
            signal => Self::Signal(signal),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// What Slurm says about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The job waits, with Slurm's reason.
    Pending(String),
    /// The job waits for a reason that does not pass by itself.
    Held(String),
    Running,
    /// The job ends. Slurm shows no outcome yet.
    Completing,
    /// The job was put back into the queue.
    Requeued,
    Ended(Exit),
    OutOfMemory,
    TimedOut,
    NodeFailed,
    Preempted,
    /// With the user who cancelled it, if accounting says that.
    Cancelled(Option<String>),
    /// Slurm refused the job after it had accepted it, with its reason.
    Rejected(String),
    /// A controller that answers does not know the job: it ended longer than `MinJobAge` ago, or it never existed.
    Forgotten,
    /// Nobody knows: the controller does not answer, or uses a word that is not known here.
    Unknown(String),
}

impl State {
    /// Returns `true` if the job will not run any more.
    pub fn is_over(&self) -> bool {
        match self {
            Self::Pending(_)
            | Self::Held(_)
            | Self::Running
            | Self::Completing
            | Self::Requeued
            | Self::Unknown(_) => false,
            Self::Ended(_)
            | Self::OutOfMemory
            | Self::TimedOut
            | Self::NodeFailed
            | Self::Preempted
            | Self::Cancelled(_)
            | Self::Rejected(_)
            | Self::Forgotten => true,
        }
    }

    /// Reads Slurm's word for a state. `sacct` adds the user to `CANCELLED by 1000`.
    pub(crate) fn parse(word: &str, reason: &str, exit: Exit) -> Self {
        let word = word.trim();
        let (name, rest) = word.split_once([' ', '+']).unwrap_or((word, ""));
        match name {
            "PENDING" | "CONFIGURING" | "REQUEUE_FED" => match reasons::permanent(reason) {
                Some(_) => Self::Held(reason.to_owned()),
                None => Self::Pending(reason.to_owned()),
            },
            "REQUEUE_HOLD" | "SPECIAL_EXIT" | "RESV_DEL_HOLD" => Self::Held(reason.to_owned()),
            "REQUEUED" => Self::Requeued,
            "RUNNING" | "SUSPENDED" | "STOPPED" | "SIGNALING" | "RESIZING" => Self::Running,
            "COMPLETING" | "STAGE_OUT" => Self::Completing,
            "COMPLETED" => Self::Ended(exit),
            "FAILED" => match reasons::permanent(reason) {
                Some(_) => Self::Rejected(reason.to_owned()),
                None => Self::Ended(exit),
            },
            "OUT_OF_MEMORY" => Self::OutOfMemory,
            "TIMEOUT" | "DEADLINE" => Self::TimedOut,
            "NODE_FAIL" | "BOOT_FAIL" | "LAUNCH_FAILED" | "RECONFIG_FAIL" => Self::NodeFailed,
            "PREEMPTED" => Self::Preempted,
            "CANCELLED" | "REVOKED" => {
                let by = rest.strip_prefix("by ").map(str::to_owned);
                Self::Cancelled(by)
            }
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// One job in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub id: JobId,
    pub state: State,
    /// Number of times that Slurm started the job again.
    pub restarts: u32,
    pub nodes: String,
    /// The comment and the name, by which a job is known to be ours.
    pub comment: String,
    pub name: String,
}
