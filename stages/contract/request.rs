//! Requests to a worker.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Artifact, Device};

/// Progress of a training at a checkpoint. A position that is further along is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Completed epochs.
    pub epoch: usize,
    /// Completed batches of the next epoch.
    pub batch: usize,
}

impl Position {
    /// Returns the position after `epoch` whole epochs.
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

/// Work for a worker process, sent as JSON on its standard input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    pub kind: String,
    /// The parameters, as returned by `Stage::canonical`.
    pub params: Value,
    pub seed: u64,
    /// Number of threads to use. Results do not depend on it.
    pub cpus: usize,
    pub device: Device,
    /// GPUs that the worker may see, in the format of `CUDA_VISIBLE_DEVICES`.
    #[serde(default)]
    pub gpus: Vec<String>,
    pub inputs: BTreeMap<String, Vec<Artifact>>,
    /// A fresh folder. The stage writes `<staging>/<port>/…`.
    pub staging: PathBuf,
    /// Set for a stage that keeps checkpoints.
    #[serde(default)]
    pub resume: Option<Resume>,
}

/// Folder for the checkpoints of a stage, and the checkpoints from which it can resume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// A fresh folder. Each checkpoint is a folder in it, which the engine moves away once it is reported.
    pub folder: PathBuf,
    /// Checkpoints that were kept before, the furthest first. Their bytes were verified.
    pub kept: Vec<Artifact>,
}
