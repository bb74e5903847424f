//! `runner node`: the node's side of a Slurm job.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use engine::error::Error;
use serde_json::Value;
use slurm::{EndResult, Identity, JobFolder, Node, Start, Used, check};

/// Run the job of a folder on a node of a cluster
#[derive(Debug, Args)]
pub(super) struct NodeArgs {
    /// Folder of the job
    folder: PathBuf,
}

impl NodeArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Error> {
        let code = match Node::start(JobFolder::at(self.folder), &identity()).map_err(described)? {
            Start::Run(node) => run(*node)?,
            Start::Idle(_) => 0,
        };
        Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
    }
}

/// Facts about this binary and this machine by which driver and node recognize each other.
pub(super) fn identity() -> Identity {
    Identity {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        processor: stages::device::processor().to_owned(),
    }
}

/// Runs the work of a job, and returns the exit code for Slurm.
fn run(node: Node) -> Result<i32, Error> {
    let result = match check::on_node(&node.request().work) {
        Ok(Some(answer)) => EndResult::Succeeded(answer),
        Ok(None) => EndResult::Refused("this version does not know the work of the job".to_owned()),
        Err(error) => EndResult::Failed(Value::String(error.to_string())),
    };
    node.end(result, Used::default()).map_err(described)
}

/// Converts an error of the protocol, with its hint. On a node, it is written to the log of the job.
fn described(error: slurm::Error) -> Error {
    Error::System(with_hint(&error))
}

/// The text of an error, with its hint.
pub(super) fn with_hint(error: &slurm::Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}
