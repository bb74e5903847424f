//! What the engine and a stage kind say to each other.
//!
//! The engine knows a kind by its [`KindInfo`], asks an instance of it (a [`Stage`]: its parameters,
//! parsed) a few pure questions while it plans, and runs it in a worker process from a [`Request`].
//! Nothing here knows YAML, keys or schedules.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Raised when the meaning of an artifact's files changes; part of every fingerprint.
pub const FORMAT_VERSION: u32 = 1;

/// The type of an artifact, and so of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactType {
    /// Labelled images, with the augmentation policy to apply to them while training, if any.
    Dataset,
    /// A classifier: architecture and weights.
    Model,
    /// A generator of images of one class: architecture and weights.
    Generator,
    /// Named numbers ([`Metrics`]) and the tables behind them.
    Metrics,
    /// Pictures for people.
    Figure,
}

impl fmt::Display for ArtifactType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dataset => "dataset",
            Self::Model => "model",
            Self::Generator => "generator",
            Self::Metrics => "metrics",
            Self::Figure => "figure",
        })
    }
}

/// Height, width and channels (1: gray, 3: RGB) of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageShape {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl ImageShape {
    /// Values in one image.
    pub fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}×{}", self.height, self.width, self.channels)
    }
}

/// What is known of an artifact before it exists; lets shapes be checked before anything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Images of this shape; `augmented` if they carry an augmentation policy.
    Dataset {
        image: ImageShape,
        augmented: bool,
    },
    /// A classifier of images of this shape.
    Model {
        image: ImageShape,
    },
    /// A generator of images of this shape.
    Generator {
        image: ImageShape,
    },
    Metrics,
    Figure,
}

/// An input port.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    pub role: &'static str,
    pub accepts: ArtifactType,
    /// Whether the port takes more than one artifact (a fan-in), in the order they are written.
    pub many: bool,
    pub optional: bool,
    pub doc: &'static str,
}

/// An output port. The first of a kind is its *primary* one, meant where a stage is referred to by
/// its name alone.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub port: &'static str,
    pub yields: ArtifactType,
    pub doc: &'static str,
}

/// All that the engine knows of a stage kind.
#[derive(Clone, Copy, Debug)]
pub struct KindInfo {
    pub name: &'static str,
    /// Raised whenever the same parameters and inputs give other results.
    pub version: u32,
    pub doc: &'static str,
    pub inputs: &'static [Input],
    pub outputs: &'static [Output],
    /// Whether a stage of this kind may be named without a port (false where no output is the
    /// obvious one, as with a dataset's `train` and `test`).
    pub has_primary: bool,
    /// Parameters that take a list of layers, or the name of one under `models:`.
    pub model_params: &'static [&'static str],
}

/// One piece of the path to a parameter: `model[3].conv.filters`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    Key(String),
    Index(usize),
}

/// A parameter that is wrong. `path` leads to it from the stage's `params`; the engine turns it into
/// a place in the file. `message` is a lowercase fragment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    pub path: Vec<Segment>,
    pub message: String,
    pub hint: Option<String>,
}

impl Invalid {
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            message: message.into(),
            hint: None,
        }
    }

    /// Adds a hint: what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts a key in front of the path.
    pub fn under(mut self, key: &str) -> Self {
        self.path.insert(0, Segment::Key(key.to_owned()));
        self
    }

    /// Puts an index in front of the path.
    pub fn at(mut self, index: usize) -> Self {
        self.path.insert(0, Segment::Index(index));
        self
    }
}

/// Bytes outside the store that a stage reads. In the fingerprint their digest stands in place of
/// the parameter that names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Path to the parameter, from the stage's `params`.
    pub param: Vec<Segment>,
    /// A file, or a folder that is read as a whole; relative to the working directory.
    pub path: PathBuf,
}

/// A stage kind with its parameters: everything that the engine may ask it.
///
/// `canonical`, `check` and `sources` are pure. `preflight` reads sources and changes nothing.
pub trait Stage: Send + Sync {
    /// The parameters with every default filled in, in one fixed form: what enters the fingerprint.
    fn canonical(&self) -> Value;

    /// Checks the parameters' ranges and how they fit the inputs; gives the signature of every
    /// output port. An optional input that is absent is an empty list.
    fn check(
        &self,
        inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid>;

    /// What the stage reads from outside the store.
    fn sources(&self) -> Vec<Source> {
        Vec::new()
    }

    /// Looks at the sources, cheaply, for what would make the stage fail. Asked only before a stage
    /// that will run.
    fn preflight(&self) -> Result<(), Invalid> {
        Ok(())
    }

    /// Whether the stage keeps checkpoints to go on from, and when they are good for another one.
    fn resumable(&self) -> Option<Resumable> {
        None
    }

    /// Does the work: reads `context`'s inputs, writes every output port's folder.
    fn run(&self, context: &Context<'_>) -> Result<(), Failure>;
}

/// Which stages may go on from a stage's checkpoints: equal ones, and those that differ in nothing but
/// parameters that say where the work ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumable {
    /// Keys of parameters that do not matter to a state on the way: work done with one value and
    /// gone on with a larger one is the same to the bit as work done with the larger one throughout.
    pub open_ended: &'static [&'static str],
    /// A parameter that is not open-ended in this stage, although one could expect it, and why.
    pub bound: Option<(&'static str, &'static str)>,
}

/// How far a training was when it kept a checkpoint. Sorts by progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Completed epochs.
    pub epoch: usize,
    /// Completed batches of the epoch after those.
    pub batch: usize,
}

impl Position {
    /// After so many whole epochs.
    pub fn after(epoch: usize) -> Self {
        Self { epoch, batch: 0 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.epoch, self.batch) {
            (epoch, 0) => write!(f, "epoch {epoch}"),
            (epoch, batch) => write!(f, "batch {batch} of epoch {}", epoch + 1),
        }
    }
}

/// Where a stage computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceClass {
    Cpu,
    Cuda,
}

/// The files of one artifact, by their name in its tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The stage instance and port that made it, for messages only: `xrays.train`.
    pub label: String,
    pub files: BTreeMap<String, PathBuf>,
}

impl Artifact {
    /// The path of a file of the artifact.
    pub fn file(&self, name: &str) -> Result<&Path, Failure> {
        self.files.get(name).map(PathBuf::as_path).ok_or_else(|| {
            Failure::Internal(format!("artifact `{}` has no file `{name}`", self.label))
        })
    }
}

/// What a worker process is asked to do; JSON on its standard input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    pub kind: String,
    /// The parameters, as `Stage::canonical` gives them.
    pub params: Value,
    pub seed: u64,
    /// Threads to use. Results do not depend on it.
    pub cpus: usize,
    pub device: DeviceClass,
    pub inputs: BTreeMap<String, Vec<Artifact>>,
    /// A fresh folder; the stage writes `<staging>/<port>/…`.
    pub staging: PathBuf,
    /// For a stage that keeps checkpoints.
    #[serde(default)]
    pub resume: Option<Resume>,
}

/// Where a stage's checkpoints go and what there is to go on from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// A fresh folder; each checkpoint is a folder in it, which the engine takes away once told.
    pub folder: PathBuf,
    /// The kept ones, furthest first. Their bytes were verified.
    pub kept: Vec<Artifact>,
}

/// What a worker says while it works; JSON lines on its standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum StageEvent {
    Progress(Progress),
    /// Something a person should know although the stage goes on.
    Warning {
        message: String,
    },
    /// A line worth keeping in the run's record (`best epoch 7, threshold 0.62`).
    Note {
        message: String,
    },
    /// The stage goes on from a checkpoint.
    Resumed {
        from: Position,
    },
    /// There are checkpoints, but none to go on from; `why` is a fragment.
    StartsOver {
        why: String,
    },
    /// A checkpoint is complete in the folder of this name (see [`Resume::folder`]).
    Checkpoint {
        folder: String,
        position: Position,
        /// Wall time for which the stage was held up.
        seconds: f64,
    },
    /// The last line of a stage that succeeded.
    Succeeded,
    /// The last line of one that did not.
    Failed {
        failure: Failure,
    },
}

/// How far a stage is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What is counted: `epoch`, `images`.
    pub unit: String,
    /// Completed, in units; a fraction within a unit is allowed.
    pub done: f64,
    pub total: f64,
    /// Figures to show, in order: `("loss", 0.31)`, `("images/s", 412.0)`.
    pub figures: Vec<(String, f64)>,
}

/// Why a stage failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "cause", content = "message", rename_all = "kebab-case")]
pub enum Failure {
    /// The user's data cannot be used; the message names the file and what to do.
    #[error("{0}")]
    Data(String),
    /// Training went wrong (a loss that is no number, for one).
    #[error("{0}")]
    Training(String),
    /// The system refused something (a full disk, a missing right).
    #[error("{0}")]
    System(String),
    /// The stage took more memory than it may, or than there is.
    #[error("out of memory: {0}")]
    OutOfMemory(String),
    /// The stage took longer than it may.
    #[error("{0}")]
    TimedOut(String),
    /// Stopped on request.
    #[error("cancelled")]
    Cancelled,
    /// A fault of runner's own.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Failure {
    /// Whether another try may end otherwise: what the system did, not what follows from data and
    /// parameters.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::System(_) | Self::OutOfMemory(_) | Self::TimedOut(_)
        )
    }

    /// A failed operation on a file, as `failed to <what> <path>: <cause>`.
    pub fn io(what: &str, path: &Path, cause: impl fmt::Display) -> Self {
        Self::System(format!("failed to {what} `{}`: {cause}", path.display()))
    }
}

/// What a running stage has at hand.
pub struct Context<'a> {
    pub seed: u64,
    pub device: DeviceClass,
    inputs: &'a BTreeMap<String, Vec<Artifact>>,
    staging: &'a Path,
    resume: Option<&'a Resume>,
    events: &'a (dyn Fn(StageEvent) + Sync),
    cancelled: &'a AtomicBool,
}

impl<'a> Context<'a> {
    pub fn new(
        request: &'a Request,
        events: &'a (dyn Fn(StageEvent) + Sync),
        cancelled: &'a AtomicBool,
    ) -> Self {
        Self {
            seed: request.seed,
            device: request.device,
            inputs: &request.inputs,
            staging: &request.staging,
            resume: request.resume.as_ref(),
            events,
            cancelled,
        }
    }

    /// The artifact on a port that takes one.
    pub fn input(&self, role: &str) -> Result<&'a Artifact, Failure> {
        self.optional_input(role)
            .ok_or_else(|| Failure::Internal(format!("no input `{role}`")))
    }

    /// The artifact on an optional port, if it is connected.
    pub fn optional_input(&self, role: &str) -> Option<&'a Artifact> {
        self.inputs(role).first()
    }

    /// All artifacts on a port that takes several, in the order they are written.
    pub fn inputs(&self, role: &str) -> &'a [Artifact] {
        self.inputs.get(role).map_or(&[], Vec::as_slice)
    }

    /// The folder of an output port, created when first asked for.
    pub fn output(&self, port: &str) -> Result<PathBuf, Failure> {
        let folder = self.staging.join(port);
        std::fs::create_dir_all(&folder).map_err(|e| Failure::io("create", &folder, e))?;
        Ok(folder)
    }

    pub fn progress(&self, unit: &str, done: f64, total: f64, figures: &[(&str, f64)]) {
        let figures = figures
            .iter()
            .map(|&(name, value)| (name.to_owned(), value))
            .collect();
        (self.events)(StageEvent::Progress(Progress {
            unit: unit.to_owned(),
            done,
            total,
            figures,
        }));
    }

    pub fn warn(&self, message: impl Into<String>) {
        (self.events)(StageEvent::Warning {
            message: message.into(),
        });
    }

    pub fn note(&self, message: impl Into<String>) {
        (self.events)(StageEvent::Note {
            message: message.into(),
        });
    }

    /// The checkpoints to go on from, furthest first.
    pub fn checkpoints(&self) -> &'a [Artifact] {
        self.resume.map_or(&[], |resume| &resume.kept)
    }

    /// Says that the stage goes on from a checkpoint.
    pub fn resumed(&self, from: Position) {
        (self.events)(StageEvent::Resumed { from });
    }

    /// Says why the stage does not go on from a checkpoint, although there are some.
    pub fn starts_over(&self, why: impl Into<String>) {
        (self.events)(StageEvent::StartsOver { why: why.into() });
    }

    /// Keeps a checkpoint of what `write` puts into the folder it is given.
    ///
    /// The engine flushes it to disk and takes it away while the stage goes on. Where it is still at
    /// the last one, this one is left out unless it is `urgent`: training does not wait for disks.
    /// One that cannot be written is warned of, and the stage goes on.
    pub fn keep_checkpoint(
        &self,
        position: Position,
        urgent: bool,
        write: impl FnOnce(&Path) -> Result<(), Failure>,
    ) {
        let Some(resume) = self.resume else {
            return;
        };
        let busy = std::fs::read_dir(&resume.folder).is_ok_and(|mut kept| kept.next().is_some());
        if busy && !urgent {
            return;
        }
        let name = format!("{}-{}", position.epoch, position.batch);
        let folder = resume.folder.join(&name);
        if folder.exists() {
            // Told of, and not taken away yet.
            return;
        }
        let started = Instant::now();
        let written = std::fs::create_dir(&folder)
            .map_err(|e| Failure::io("create", &folder, e))
            .and_then(|()| write(&folder));
        match written {
            Ok(()) => (self.events)(StageEvent::Checkpoint {
                folder: name,
                position,
                seconds: started.elapsed().as_secs_f64(),
            }),
            Err(failure) => {
                // Half a checkpoint would count as one not taken yet.
                let _ = std::fs::remove_dir_all(&folder);
                self.warn(format!("no checkpoint after {position}: {failure}"));
            }
        }
    }

    /// `Err(Failure::Cancelled)` once a stop was asked for; long loops ask between batches.
    pub fn check_cancelled(&self) -> Result<(), Failure> {
        if self.cancelled.load(Ordering::Relaxed) {
            Err(Failure::Cancelled)
        } else {
            Ok(())
        }
    }
}

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    Maximize,
    Minimize,
}

/// One number of a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    pub value: f64,
    /// A 95 % interval, `[low, high]`, where one was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    pub direction: Direction,
}

/// The content of a metrics artifact's `metrics.json`.
pub type Metrics = BTreeMap<String, Metric>;

/// Name of the file that holds [`Metrics`].
pub const METRICS_FILE: &str = "metrics.json";
