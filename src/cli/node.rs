//! `runner node`: the node's side of a Slurm job, and the host's side of a stage over SSH.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use engine::error::Error;
use engine::launch::{node, ssh_node};
use slurm::Identity;

use super::pipeline::catalogue;

/// Run the job of a folder on a node of a cluster, or a stage for the driver at the other end of standard input
#[derive(Debug, Args)]
pub(super) struct NodeArgs {
    /// Folder of the job
    #[arg(required_unless_present = "ssh")]
    folder: Option<PathBuf>,
    /// Talk with a driver over standard input and output
    #[arg(long, conflicts_with = "folder")]
    ssh: bool,
}

impl NodeArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Error> {
        let Some(folder) = self.folder else {
            ssh_node::serve(&catalogue())?;
            return Ok(ExitCode::SUCCESS);
        };
        let code = node::run(folder, &catalogue())?;
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
