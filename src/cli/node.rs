//! `runner node`: the node's side of a Slurm job.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use engine::error::Error;
use engine::launch::node;
use slurm::Identity;

use super::pipeline::catalogue;

/// Run the job of a folder on a node of a cluster
#[derive(Debug, Args)]
pub(super) struct NodeArgs {
    /// Folder of the job
    folder: PathBuf,
}

impl NodeArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Error> {
        let code = node::run(self.folder, &catalogue())?;
        Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
    }
}

/// Facts about this binary and this machine by which driver and node recognize each other.
pub(super) fn identity() -> Result<Identity, Error> {
    node::identity(&catalogue())
}

/// The text of an error, with its hint.
pub(super) fn with_hint(error: &slurm::Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}
