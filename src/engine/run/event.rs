use std::fmt;

use contract::{Position, Progress};
use serde::{Deserialize, Serialize, Serializer};

use crate::scheduler::{Counts, Outcome};
use crate::store::Key;

/// What happens in a run, for people, pages and records (tracing is for developers).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The plan is made and checked; the first stage is about to start.
    RunStarted {
        run: String,
        pipeline: String,
        stages: usize,
        cached: usize,
        /// Where stages compute, in words; nothing where none does.
        device: Option<String>,
    },
    /// What follows from the results so far is planned, and about to start.
    RoundStarted {
        /// From 2: the first is what the run started with.
        round: usize,
        stages: usize,
        cached: usize,
    },
    /// All that a round was about has ended.
    RoundEnded {
        /// From 1.
        round: usize,
        /// Trials that were chosen so far.
        trials: usize,
        /// The best that is finished.
        best: Option<BestTrial>,
    },
    /// A trial of a sweep ended, or came to where it is compared with others.
    TrialJudged {
        /// From 1.
        trial: usize,
        /// Its values by axis: `learning_rate=0.001, zoom=0.1`.
        values: String,
        judgement: Judgement,
    },
    /// A stage is about to execute; `reason` says why, in a few words.
    StageStarted { stage: String, reason: String },
    /// A stage goes on from a checkpoint.
    StageResumed { stage: String, from: Position },
    /// A stage wrote a checkpoint, which held it up for so long; it is being kept.
    StageCheckpoint {
        stage: String,
        position: Position,
        seconds: f64,
    },
    /// A stage does not go on from where it once was; `why` is a fragment.
    StageStartsOver { stage: String, why: String },
    /// How far a running stage is.
    StageProgress { stage: String, progress: Progress },
    /// Something that the user should know although the stage goes on.
    StageWarning {
        stage: String,
        message: String,
        /// Whether it is about this run alone, and not about the result.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        passing: bool,
    },
    /// A line worth keeping.
    StageNote { stage: String, message: String },
    /// A stage ended, or will not start.
    StageEnded { stage: StageReport },
    /// A signal asked the run to stop.
    Interrupted { signal: i32 },
    /// Nothing runs any more.
    RunEnded { counts: Counts, seconds: f64 },
}

/// The best trial of a sweep so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestTrial {
    /// From 1.
    pub trial: usize,
    pub values: String,
    pub objective: Option<f64>,
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Judgement {
    /// It went to its end.
    Finished {
        objective: Option<f64>,
    },
    /// It was trained for so many epochs, after which its rung's metric had this value.
    Reached {
        epochs: u64,
        value: f64,
    },
    Failed {
        error: String,
    },
}

/// How one stage ended: a line of [`RunReport`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageReport {
    /// The instance: `cnn[model1]`.
    pub name: String,
    pub outcome: Outcome,
    /// Its action key, in hex.
    pub key: String,
    /// Wall time; none where it did not execute in this run.
    #[serde(serialize_with = "rounded")]
    pub seconds: Option<f64>,
    /// Cpu time of its process, user and system.
    #[serde(serialize_with = "rounded")]
    pub cpu_seconds: Option<f64>,
    /// Largest resident size of its process, in MiB.
    #[serde(serialize_with = "rounded")]
    pub peak_memory_mib: Option<f64>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Warnings about its result, in this run or when it was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl StageReport {
    /// Of a stage that was not executed in this run.
    pub fn not_executed(name: &str, outcome: Outcome, key: &Key) -> Self {
        Self {
            name: name.to_owned(),
            outcome,
            key: key.to_string(),
            seconds: None,
            cpu_seconds: None,
            peak_memory_mib: None,
            error: None,
            warnings: Vec::new(),
        }
    }
}

/// A run as a whole: what `run.json` holds, with a checksum, and `--json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The run's id: `20261123-081500-ab12`.
    pub run: String,
    /// Larger than that of every run of the store that began before; none of a run from before runs were
    /// numbered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    pub pipeline: String,
    /// The pipeline file, as given.
    pub file: String,
    pub profile: Option<String>,
    /// `--set` options, as typed.
    pub sets: Vec<String>,
    /// Version of runner.
    pub runner: String,
    /// Where stages compute, in words; nothing where none does.
    #[serde(default)]
    pub device: Option<String>,
    /// RFC 3339, UTC.
    pub started: String,
    /// RFC 3339, UTC; none while it goes on (or if it was killed).
    pub finished: Option<String>,
    pub seconds: f64,
    pub state: RunState,
    pub counts: Counts,
    /// In the order of the graph.
    pub stages: Vec<StageReport>,
}

/// Three decimals are more than was measured.
fn rounded<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value
        .map(|value| (value * 1e3).round() / 1e3)
        .serialize(serializer)
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    Running,
    Succeeded,
    /// At least one stage failed.
    Failed,
    /// Stopped by a signal.
    Cancelled,
    /// Its process ended without a word. No record says so: who looks finds that nobody runs it.
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

/// Something that follows a run's events.
pub trait Observer: Send + Sync {
    fn observe(&self, event: &Event);
}

/// Passes every event to every observer, in the order of sending for each thread.
#[derive(Default)]
pub struct Reporter {
    observers: Vec<Box<dyn Observer>>,
}

impl Reporter {
    pub fn add(&mut self, observer: impl Observer + 'static) {
        self.observers.push(Box::new(observer));
    }

    pub fn send(&self, event: &Event) {
        for observer in &self.observers {
            observer.observe(event);
        }
    }
}
