//! Causes of a stage's failure.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::ShowPath;

/// Cause of a stage's failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "cause", content = "message", rename_all = "kebab-case")]
pub enum Failure {
    /// The user's data cannot be used. The message names the file and says what to do.
    #[error("{0}")]
    Data(String),
    /// Training went wrong, for example because the loss became NaN.
    #[error("{0}")]
    Training(String),
    /// A user's program failed. The message says how it ended and quotes the end of its output.
    #[error("{0}")]
    Program(String),
    /// The operating system refused an operation (full disk, missing permission).
    #[error("{0}")]
    System(String),
    /// The stage used more memory than it is allowed or than the machine has.
    #[error("out of memory: {0}")]
    OutOfMemory(String),
    /// The stage exceeded its time limit.
    #[error("{0}")]
    TimedOut(String),
    /// The stage was stopped on request.
    #[error("cancelled")]
    Cancelled,
    /// The run was stopped, and the stage goes on elsewhere. The message says where.
    #[error("{0}")]
    Left(String),
    /// A bug in runner.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Failure {
    /// Returns whether a retry may succeed, because the cause lies in the system or in a user's program and not in data
    /// or parameters.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Program(_) | Self::System(_) | Self::OutOfMemory(_) | Self::TimedOut(_)
        )
    }

    /// Returns the failure with `more` appended to its message.
    #[must_use]
    pub fn with(self, more: &str) -> Self {
        self.map(|message| message.push_str(more))
    }

    /// Returns the failure with a changed message.
    #[must_use]
    pub fn map(mut self, change: impl FnOnce(&mut String)) -> Self {
        match &mut self {
            Self::Data(message)
            | Self::Training(message)
            | Self::Program(message)
            | Self::System(message)
            | Self::OutOfMemory(message)
            | Self::TimedOut(message)
            | Self::Left(message)
            | Self::Internal(message) => change(message),
            Self::Cancelled => {}
        }
        self
    }

    /// Creates the failure of a file operation: `failed to <what> <path>: <cause>`.
    pub fn io(what: &str, path: &Path, cause: impl fmt::Display) -> Self {
        Self::System(format!("failed to {what} `{}`: {cause}", path.shown()))
    }
}
