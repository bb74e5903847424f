//! What a worker says.

use serde::{Deserialize, Serialize};

use super::{Failure, Position};

/// What a worker says while it works; JSON lines on its standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum StageEvent {
    Progress(Progress),
    /// Something that the user should know although the stage goes on.
    Warning {
        message: String,
        /// Whether it is about this run alone. Other warnings are about the result: they are kept with it and
        /// shown wherever it is used.
        passing: bool,
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
