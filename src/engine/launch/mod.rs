//! Places where stages run.
//!
//! A [`Launcher`] runs a stage somewhere, passes on its events, and tells how it ended. Everything that is
//! particular to a place (processes, signals, limits, logs) is behind it.
//!
//! A launcher does not decide whether a result is good. It gets a folder for the outputs; the executor ingests,
//! checks and records what is in it.

mod interrupt;
mod local;
mod message;
pub mod node;
mod places;
mod slurm;
mod ssh;
pub mod ssh_node;
mod this_node;
pub mod worker;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use contract::{External, Failure, Folder, Gathered, Request, StageEvent};
use serde::{Deserialize, Serialize};
use store::keys::Key;
use store::{Checkpoints, Store};

use crate::graph::Limits;
use crate::spec::Executor;

pub use interrupt::{Interrupt, PROGRAM_SECONDS};
pub(crate) use local::WHOLE_LOG;
pub use local::{Local, VISIBLE_GPUS, own_binary, peak_memory_mib, warden};
pub use places::Places;
pub use slurm::{LeftJob, LeftJobs, SlurmRequests};
pub use ssh::{HostFacts, HostGpu, SshHost, Survey, reach_host, survey_host};

/// A place where stages run.
pub trait Launcher: Send + Sync {
    /// Runs a stage to its end. Blocks meanwhile, and passes on events as they come. After a stop was
    /// requested, it does not start anything.
    fn run(&self, launch: &Launch<'_>, on_event: &dyn Fn(StageEvent)) -> Ending;

    /// Cleans up after a stage whose result is in the store now.
    fn recorded(&self, _executor: &Executor, _key: &Key) {}

    /// Returns the flag that is set once a stop was requested.
    fn stopping(&self) -> &AtomicBool;

    /// Returns whether a stop was requested.
    fn is_stopping(&self) -> bool {
        self.stopping().load(Ordering::SeqCst)
    }

    /// Asks everything to stop, and prevents new starts. Built-in stages save a checkpoint first.
    fn stop(&self);

    /// Kills users' programs, which save no checkpoint.
    fn kill_programs(&self);

    /// Kills everything, and prevents new starts.
    fn kill(&self);

    /// Cleans up after the stages of an execution have ended. Returns a text about processes that programs
    /// have left running, if there were any.
    fn finish(&self) -> Option<String>;
}

/// A stage to run.
pub struct Launch<'a> {
    /// Action key.
    pub key: Key,
    /// Name of the stage instance, for people.
    pub stage: &'a str,
    pub placement: &'a Placement,
    pub store: &'a Store,
    /// The stage's work. Its field `resume` is `None`: the launcher sets it where checkpoints are kept.
    pub request: &'a Request,
    /// The folder `request.staging`, opened before anything ran in it.
    pub staging: &'a Folder,
    pub work: Work<'a>,
    pub limits: Limits,
    /// File for the output of a program, or for the standard error of a worker. New output is appended.
    pub log: &'a Path,
    /// Called before the stage reads its inputs, when it has its own links to them.
    pub on_linked: &'a dyn Fn(),
}

/// Where a stage runs, and what it needs there. Does not matter to a launcher of this machine.
#[derive(Clone, Debug, Default)]
pub struct Placement {
    pub executor: Executor,
    /// Number of stages that may share a job.
    pub pack: u32,
    /// Number of GPUs.
    pub gpus: usize,
    /// Memory that each GPU must have, in bytes.
    pub gpu_memory: Option<u64>,
    /// The parameters as the pipeline has them. Those of the request cannot be parsed again.
    pub params: serde_json::Value,
    /// Kind of processor for which the result is recorded. `None` if the stage does not compute.
    pub processor: Option<String>,
    /// Digest of the stamps of its sources. If it changed since the stage was started elsewhere, the stage may have read
    /// something else.
    pub sources: String,
    /// `true` to start over instead of taking over what an earlier run left running elsewhere.
    pub starts_over: bool,
}

/// Settings of the places other than this machine.
#[derive(Clone, Debug)]
pub struct Executors {
    /// Settings of the site's Slurm, or the reason why they cannot be used. It matters only if a stage runs there, and
    /// the stages of a sweep are not known at its beginning.
    pub slurm: Result<::slurm::Settings, String>,
    /// Settings of hosts by the name that `ssh` takes, or the reason why they cannot be used.
    pub ssh: Result<BTreeMap<String, SshHost>, String>,
    pub on_interrupt: OnInterrupt,
}

/// Treatment of stages on other machines after Ctrl-C.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnInterrupt {
    /// They go on, unless a second Ctrl-C follows.
    #[default]
    Leave,
    Cancel,
}

/// The code that does the work of a stage.
#[derive(Clone, Copy)]
pub enum Work<'a> {
    /// A built-in stage, which a worker process runs.
    BuiltIn(Option<Kept<'a>>),
    /// A user's program.
    Program(Scratch<'a>),
}

/// The checkpoints of a stage that keeps some.
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    pub checkpoints: &'a Checkpoints<'a>,
    /// `false` to start over: earlier checkpoints are then removed.
    pub resume: bool,
}

/// A program that runs in the staging folder.
#[derive(Clone, Copy)]
pub struct Scratch<'a> {
    pub external: &'a dyn External,
    /// `true` if it sees the GPUs of the request only, `false` if it sees all that this process sees.
    pub has_own_gpus: bool,
    /// Folder for the declared outputs of a program that failed, for inspection.
    pub failed_outputs: &'a Path,
}

/// End of a stage, or of a process, with the resources that it used.
#[derive(Debug)]
pub struct Ending<T = Gathered> {
    /// The outputs of a program. The outputs of a built-in stage are in the staging folder, one for each port.
    pub result: Result<T, Failure>,
    /// Wall time in seconds.
    pub seconds: f64,
    pub usage: Usage,
}

impl<T> Ending<T> {
    /// The end of a stage that did not run.
    pub fn failed(failure: Failure) -> Self {
        Self {
            result: Err(failure),
            seconds: 0.0,
            usage: Usage::default(),
        }
    }
}

/// Resources that a process used in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// User and system time of all its threads, in seconds.
    pub cpu_seconds: f64,
    /// Largest resident size, in MiB.
    pub peak_memory_mib: f64,
}
