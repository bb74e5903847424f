//! [`Event`]s of a run, the reports about stages and runs, and the [`Reporter`] that passes events to
//! observers.

mod reporter;

use std::fmt;

use contract::{Position, Progress};
use serde::{Deserialize, Serialize, Serializer};

use crate::scheduler::{Counts, Outcome, Schedule};
use store::keys::Key;

pub use reporter::Reporter;

/// Something that happens in a run, for the terminal and for records. Messages for developers use `tracing`.
///
/// Other processes read recorded events ([`run::follow`](crate::run::follow)). They ignore events and fields that they
/// do not know, so both may be added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The plan was made and checked. The first stage is about to start.
    RunStarted {
        run: String,
        pipeline: String,
        stages: usize,
        cached: usize,
        /// Devices that stages compute on, as text; `None` if no stage computes.
        device: Option<String>,
    },
    /// The next round, which depends on the results so far, was planned and is about to start.
    RoundStarted {
        /// Counted from 2: the first round is announced by `RunStarted`.
        round: usize,
        stages: usize,
        cached: usize,
    },
    /// The stages that a round runs, with their expected times. Follows `RunStarted` and `RoundStarted`, unless
    /// everything is cached.
    Scheduled {
        schedule: Schedule,
        /// Number of trials that later rounds will choose. `None` if there are no later rounds.
        later_trials: Option<usize>,
    },
    /// All stages of a round have ended.
    RoundEnded {
        /// From 1.
        round: usize,
        /// Trials chosen so far.
        trials: usize,
        /// The best finished trial.
        best: Option<BestTrial>,
    },
    /// A trial of a sweep ended, or reached a rung where it is compared with others.
    TrialJudged {
        /// From 1.
        trial: usize,
        /// Its values by axis: `learning_rate=0.001, zoom=0.1`.
        values: String,
        judgement: TrialResult,
    },
    /// A stage waits for these runs of other processes: one of them makes the same result. It ends as cached, or
    /// starts.
    StageWaits { stage: String, runs: Vec<String> },
    /// A stage is about to execute; `reason` is a short explanation.
    StageStarted { stage: String, reason: String },
    /// A stage resumes from a checkpoint.
    StageResumed { stage: String, from: Position },
    /// A stage wrote a checkpoint, which took `seconds`. It is now being stored.
    StageCheckpoint {
        stage: String,
        position: Position,
        seconds: f64,
    },
    /// A stage starts over instead of resuming from a checkpoint; `why` is a sentence fragment.
    StageStartsOver { stage: String, why: String },
    /// Progress of a running stage.
    StageProgress { stage: String, progress: Progress },
    /// There is a new picture of the result so far. It is in the run's folder: see
    /// [`picture_file`](crate::executor::picture_file).
    StagePicture {
        stage: String,
        /// A few words: `samples after epoch 20`.
        caption: String,
    },
    /// The place where the stage waits or runs, if it is not this machine.
    StagePlace {
        stage: String,
        /// Name of the machine, once the stage runs there.
        node: Option<String>,
        /// Sentence fragment: `waits as Slurm job 17`.
        text: String,
        /// `true` if it goes on when the run is stopped.
        #[serde(default)]
        outlives_run: bool,
    },
    /// Something that the user should know, although the stage continues.
    StageWarning {
        stage: String,
        message: String,
        /// `true` if the message is about this run only, not about the result.
        #[serde(
            rename = "passing",
            default,
            skip_serializing_if = "std::ops::Not::not"
        )]
        about_run_only: bool,
    },
    /// A note from a stage, shown with `--verbose`.
    StageNote { stage: String, message: String },
    /// A stage ended, or will not start.
    StageEnded { stage: StageReport },
    /// A signal asked the run to stop.
    Interrupted { signal: i32 },
    /// The run has ended, and no stage is running.
    RunEnded { counts: Counts, seconds: f64 },
}

impl Event {
    /// The name of the stage instance that the event is about.
    pub fn stage(&self) -> Option<&str> {
        match self {
            Self::StageWaits { stage, .. }
            | Self::StageStarted { stage, .. }
            | Self::StageResumed { stage, .. }
            | Self::StageCheckpoint { stage, .. }
            | Self::StageStartsOver { stage, .. }
            | Self::StageProgress { stage, .. }
            | Self::StagePicture { stage, .. }
            | Self::StagePlace { stage, .. }
            | Self::StageWarning { stage, .. }
            | Self::StageNote { stage, .. } => Some(stage),
            Self::StageEnded { stage } => Some(&stage.name),
            Self::RunStarted { .. }
            | Self::RoundStarted { .. }
            | Self::Scheduled { .. }
            | Self::RoundEnded { .. }
            | Self::TrialJudged { .. }
            | Self::Interrupted { .. }
            | Self::RunEnded { .. } => None,
        }
    }
}

/// The best trial of a sweep so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestTrial {
    /// From 1.
    pub trial: usize,
    pub values: String,
    pub objective: Option<f64>,
}

/// Result of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum TrialResult {
    /// It ran to its end.
    Finished {
        objective: Option<f64>,
    },
    /// It was trained for `epochs` epochs, after which its rung's metric had this value.
    Reached {
        epochs: u64,
        value: f64,
    },
    Failed {
        error: String,
    },
}

/// The end of one stage: an entry of [`RunReport`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageReport {
    /// The instance: `cnn[model1]`.
    pub name: String,
    pub outcome: Outcome,
    /// Its action key, in hex.
    pub key: String,
    /// Wall time; `None` if it did not execute in this run.
    #[serde(serialize_with = "rounded")]
    pub seconds: Option<f64>,
    /// CPU time of its process, user and system.
    #[serde(serialize_with = "rounded")]
    pub cpu_seconds: Option<f64>,
    /// Peak resident set size of its process, in MiB.
    #[serde(serialize_with = "rounded")]
    pub peak_memory_mib: Option<f64>,
    /// Name of the machine that ran it; `None` for the machine of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Reason for its execution, in a few words; `None` if it was not, or in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The reason why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Where it goes on although the run was stopped: `left as Slurm job 17`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// Warnings about its result, from this run or from the run that made the result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl StageReport {
    /// Report of a stage that was not executed in this run.
    pub fn not_executed(name: &str, outcome: Outcome, key: &Key) -> Self {
        Self {
            name: name.to_owned(),
            outcome,
            key: key.to_string(),
            seconds: None,
            cpu_seconds: None,
            peak_memory_mib: None,
            node: None,
            reason: None,
            error: None,
            left: None,
            warnings: Vec::new(),
        }
    }
}

/// A whole run, as stored with a checksum in `run.json` and printed by `--json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The run's id: `20261123-081500-0042`.
    pub run: String,
    /// Larger than the numbers of all earlier runs of the store. `None` for runs that were recorded before runs
    /// had numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    pub pipeline: String,
    /// The pipeline file, as given.
    pub file: String,
    pub profile: Option<String>,
    /// Values set by `--device`, `--precision` and `--set`, as `name=value`.
    pub sets: Vec<String>,
    /// Version of runner.
    pub runner: String,
    /// Hash of the commit that was checked out in the git repository of the pipeline file, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Devices that stages compute on, as text; `None` if no stage computes.
    #[serde(default)]
    pub device: Option<String>,
    /// The machine: its processor, cores and memory, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// RFC 3339, UTC.
    pub started: String,
    /// RFC 3339, UTC; `None` while the run goes on or if it was killed.
    pub finished: Option<String>,
    pub seconds: f64,
    pub state: RunState,
    pub counts: Counts,
    /// In the order of the graph, round by round.
    pub stages: Vec<StageReport>,
}

/// Rounds to three decimals. The measurements are less precise than that.
fn rounded<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value
        .map(|value| (value * 1e3).round() / 1e3)
        .serialize(serializer)
}

/// State of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    Running,
    Succeeded,
    /// A stage or a trial failed, or a later round could not be run.
    Failed,
    /// Stopped by a signal.
    Cancelled,
    /// The run's process ended without recording the end. This state is never stored: it is inferred if no
    /// living process executes the run.
    Killed,
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Killed => "killed",
        })
    }
}

/// Receives the events of a run.
pub trait Observer: Send + Sync {
    fn observe(&self, event: &Event);
}
