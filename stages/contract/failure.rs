//! How a stage can fail.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

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
    /// A program of the user's failed; the message says how it ended, and its last words.
    #[error("{0}")]
    Program(String),
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
    /// Whether another try may end otherwise: what the system or a program of the user's did, not what
    /// follows from data and parameters.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Program(_) | Self::System(_) | Self::OutOfMemory(_) | Self::TimedOut(_)
        )
    }

    /// The same with `more` at the end of its message.
    #[must_use]
    pub fn with(mut self, more: &str) -> Self {
        match &mut self {
            Self::Data(message)
            | Self::Training(message)
            | Self::Program(message)
            | Self::System(message)
            | Self::OutOfMemory(message)
            | Self::TimedOut(message)
            | Self::Internal(message) => message.push_str(more),
            Self::Cancelled => {}
        }
        self
    }

    /// A failed operation on a file, as `failed to <what> <path>: <cause>`.
    pub fn io(what: &str, path: &Path, cause: impl fmt::Display) -> Self {
        Self::System(format!("failed to {what} `{}`: {cause}", path.display()))
    }
}
