//! Errors of this package, each with a hint where a person can do something.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use contract::{ShowPath, one_line};

use crate::reasons;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused an operation on a file.
    #[error("failed to {what} `{}`: {source}", path.shown())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// A file of the protocol has content that this version does not understand.
    #[error("`{}` is damaged or was written by another version: {source}", path.shown())]
    Damaged {
        path: PathBuf,
        source: serde_json::Error,
    },
    /// A setting of the site has a value that cannot be used.
    #[error("`slurm.{setting}` {problem}")]
    Setting {
        setting: &'static str,
        problem: String,
        hint: &'static str,
    },
    /// A request that cannot be expressed as options of Slurm.
    #[error("{problem}")]
    Request { problem: String, hint: String },
    /// A path that cannot be written on one line of a list.
    #[error("the path {path:?} contains a line break")]
    PathWithLineBreak { path: PathBuf },
    /// A path that is not UTF-8. Job scripts and records are.
    #[error("the path {path:?} is not valid UTF-8")]
    PathNotText { path: PathBuf },
    /// A Slurm command is not installed or cannot be started.
    #[error("failed to run `{program}`: {source}")]
    NotStarted {
        program: &'static str,
        source: io::Error,
    },
    /// The controller did not answer. The request may or may not have been carried out.
    #[error("Slurm does not answer: {}", one_line(said))]
    NoAnswer { said: String },
    /// The controller has no capacity for more jobs at the moment.
    #[error("Slurm takes no more jobs at the moment: {}", one_line(said))]
    Full { said: String },
    /// The controller answered with an error.
    #[error("`{program}` failed: {}", one_line(said))]
    Refused { program: &'static str, said: String },
    /// A Slurm command printed something that this package does not understand.
    #[error("`{program}` printed unexpected text: {}", one_line(said))]
    Unexpected { program: &'static str, said: String },
    /// The binary on the node has another version than the driver.
    #[error("the binary on the node has version {found}, but the driver has version {expected}")]
    Version { expected: String, found: String },
    /// A value has no JSON form, which is a bug in runner.
    #[error("internal error: failed to serialize {what}: {source}")]
    Serialize {
        what: &'static str,
        source: serde_json::Error,
    },
}

impl Error {
    /// Converts an I/O error for `map_err`, as `failed to <what> <path>: <cause>`.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn setting(
        setting: &'static str,
        problem: impl Display,
        hint: &'static str,
    ) -> Self {
        let problem = problem.to_string();
        Self::Setting {
            setting,
            problem,
            hint,
        }
    }

    /// Returns what a person can do about the error, if that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Setting { hint, .. } => Some((*hint).to_owned()),
            Self::Request { hint, .. } => Some(hint.clone()),
            Self::PathWithLineBreak { .. } | Self::PathNotText { .. } => {
                Some("keep the artifacts in a folder with a plain name (`--artifacts`)".to_owned())
            }
            Self::NotStarted { program, .. } => Some(format!(
                "run this on a machine of the cluster where `{program}` works, such as a login node"
            )),
            Self::NoAnswer { .. } => {
                Some("`scontrol ping` shows whether the controller is up".to_owned())
            }
            Self::Refused { said, .. } | Self::Full { said } => {
                reasons::hint_of_refusal(said).map(str::to_owned)
            }
            Self::Version { .. } => Some(
                "set `slurm.binary` to the path of the driver's binary on the nodes, or copy it there"
                    .to_owned(),
            ),
            Self::Damaged { path, .. } => {
                let folder = path.parent().unwrap_or(path);
                Some(format!(
                    "remove the folder `{}`, and the stage starts again",
                    folder.shown()
                ))
            }
            Self::Io { .. }
            | Self::Unexpected { .. }
            | Self::Serialize { .. } => None,
        }
    }
}
