//! Errors that end a command, and their exit codes.

use std::fmt::Write;
use std::io;
use std::panic::PanicHookInfo;
use std::path::Path;
use std::process::ExitCode;

use contract::ShowPath;

use crate::plan;
use crate::spec::Diagnostic;

/// Exit codes, as listed by `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    success
  1    the system refused an operation, runner has a bug, `cache verify` found damage, `doctor` found a
       problem, `push` or `pull` could not copy a result, or the model of `predict` is damaged
  2    the pipeline, the command line, a configuration file or an image of `predict` is invalid, or a saved
       plan is out of date; nothing was run
  3    with `--exit-code`: at least one stage would run
  75   another process is using the store; try again, or use `cache gc --wait`
  100  a stage failed
  101  with `--strict`: an expectation failed or could not be checked, and no stage failed
  130  stopped by Ctrl-C; for `attach`, Ctrl-C detached or the run was stopped
  143  stopped by SIGTERM";

/// Reason why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pipeline or a configuration file is invalid.
    #[error("{}", listed(.0))]
    Invalid(Vec<Diagnostic>),
    /// The arguments are invalid, or name something that does not exist.
    #[error("error: {0}")]
    Usage(String),
    #[error("error: {0}")]
    Store(#[from] store::Error),
    /// Something in the store is damaged.
    #[error("error: {0}")]
    Damaged(String),
    /// Another process uses the store.
    #[error("error: {0}")]
    Busy(String),
    /// The operating system refused an operation.
    #[error("error: {0}")]
    System(String),
    /// A bug in runner.
    #[error("error: {0}\nthis is a bug in runner; please report it")]
    Internal(String),
    /// Some stages are not cached. Returned with `--exit-code`.
    #[error("{0}")]
    WouldRun(String),
    /// Stages or trials failed; the text counts them. Each failure was reported when it happened.
    #[error("error: {0} failed")]
    StagesFailed(String),
    /// Some expectations are not met; the text lists them.
    #[error("error: {0}")]
    Unmet(String),
    /// A signal with this number stopped the run.
    #[error("stopped")]
    Interrupted(i32),
    /// Ctrl-C detached from this run, which goes on.
    #[error("detached; the run goes on, and `runner attach {0}` follows it again")]
    Detached(String),
}

impl Error {
    /// Returns a function for `map_err` that creates the error `failed to <what> <path>: <cause>`.
    pub fn io(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| {
            let cause = store::explained(path, cause);
            Self::System(format!("failed to {what} `{}`: {cause}", path.shown()))
        }
    }

    /// Converts a planning error, and adds the position in the pipeline file where it is known.
    pub fn plan(error: plan::Error, graph: &crate::graph::Graph) -> Self {
        match error {
            plan::Error::Source { node, invalid } => {
                Self::Invalid(vec![graph.diagnose(node, &invalid)])
            }
            plan::Error::Store(error) => Self::Store(error),
            plan::Error::Internal(message) => Self::Internal(message),
        }
    }

    /// Exit code of this error, as listed in [`EXIT_CODES`].
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Store(store::Error::Busy) | Self::Busy(_) => 75,
            Self::Store(_) | Self::Damaged(_) | Self::System(_) | Self::Internal(_) => 1,
            Self::Invalid(_) | Self::Usage(_) => 2,
            Self::WouldRun(_) => 3,
            Self::StagesFailed(_) => 100,
            Self::Unmet(_) => 101,
            Self::Detached(_) => 130,
            Self::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(130),
        })
    }
}

fn listed(diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for (index, diagnostic) in diagnostics.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n\n" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{gap}{diagnostic}");
    }
    text
}

/// The message of a panic with its source location.
pub fn of_panic(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("panic");
    match info.location() {
        Some(place) => format!("{message} ({}:{})", place.file(), place.line()),
        None => message.to_owned(),
    }
}
