//! What a worker is asked to do.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Artifact, Device};

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

/// What a worker process is asked to do; JSON on its standard input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    pub kind: String,
    /// The parameters, as `Stage::canonical` gives them.
    pub params: Value,
    pub seed: u64,
    /// Threads to use. Results do not depend on it.
    pub cpus: usize,
    pub device: Device,
    /// The GPUs that it may see, as `CUDA_VISIBLE_DEVICES` takes them.
    #[serde(default)]
    pub gpus: Vec<String>,
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
