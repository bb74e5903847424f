//! The files of a job folder, as types. The table of files is in the documentation of the package.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resources::Resources;

/// `request.json`: what a node runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Version of the binary that must run the job.
    pub version: String,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Number of times that Slurm may start the job again: after the time limit, preemption or the loss of a node.
    pub restarts: u32,
    pub resources: Resources,
    /// The work itself. This package does not read it.
    pub work: Value,
}

/// `claim.json`: the driver that submits the job. Created exclusively, before the submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Tag of the submission.
    pub tag: String,
    /// Line of the list of jobs, from 0.
    pub line: u32,
    /// Number of jobs that share an allocation.
    pub pack: u32,
    /// Machine and process of the driver, for people.
    pub host: String,
    pub process: u32,
}

/// `job.json`: the Slurm job, written after the submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Tag of the submission. It is also in the comment and, shortened, in the name of the Slurm job.
    pub tag: String,
    /// Id of the Slurm job or array.
    pub job: u32,
    /// Element of the array. `None` for a single job.
    pub element: Option<u32>,
    /// Number of jobs that share an allocation; 1 if they do not.
    pub pack: u32,
    /// Time of the submission, in milliseconds since 1970 by the driver's clock.
    pub submitted: i64,
}

/// `started.json`: the process that runs the job. Written again at each start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Name of the node.
    pub node: String,
    pub process: u32,
    /// Id of the node's current boot.
    pub boot: Option<String>,
    /// Kind of processor, as the engine names it.
    pub processor: String,
    /// Version of the binary on the node.
    pub version: String,
    /// Id of the Slurm job or array. `None` outside Slurm.
    pub job: Option<u32>,
    /// Element of the array. `None` for a single job.
    pub element: Option<u32>,
    pub attempt: u32,
    /// Number of earlier starts of this attempt.
    pub restart: u32,
}

/// `ending.json`: the end of the job, or of one start of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    pub attempt: u32,
    pub restart: u32,
    pub result: EndResult,
    /// Wall time in seconds.
    pub seconds: f64,
    /// User and system time in seconds.
    pub cpu_seconds: f64,
    /// Largest resident size in MiB.
    pub peak_memory_mib: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndResult {
    /// The work was done. The value belongs to the caller.
    Succeeded(Value),
    /// The work failed. The value belongs to the caller.
    Failed(Value),
    /// A checkpoint was saved after a signal. The job is to go on.
    Paused,
    /// The node did not run the work. The text says why.
    Refused(String),
}
