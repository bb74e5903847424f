//! `runner cache`: what the store holds, whether it is sound, what may go.

mod gc;
mod info;
mod verify;

use std::path::Path;
use std::time::SystemTime;

use bytesize::ByteSize;
use clap::{Args, Subcommand};

use crate::error::Error;
use crate::report::Console;
use crate::report::history::{PastRun, past_runs};
use crate::store::{RunUse, Store};

/// Look at the store, check it, and collect what nothing needs
#[derive(Debug, Args)]
pub struct Cache {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Info(info::Info),
    Verify(verify::Verify),
    Gc(gc::Gc),
}

impl Cache {
    pub fn execute(self, console: &Console) -> Result<(), Error> {
        match self.command {
            Command::Info(info) => info.execute(console),
            Command::Verify(verify) => verify.execute(console),
            Command::Gc(gc) => gc.execute(console),
        }
    }
}

fn runs(store: &Store) -> Result<Vec<PastRun>, Error> {
    let runs = store.runs_folder();
    past_runs(&runs).map_err(Error::io("read", &runs))
}

fn uses(runs: &[PastRun]) -> Vec<RunUse> {
    let uses = runs.iter().map(|run| RunUse {
        folder: run.folder.clone(),
        pipeline: run.pipeline.clone(),
        started: SystemTime::from(run.started),
        keys: run.stages.iter().map(|stage| stage.key).collect(),
    });
    uses.collect()
}

/// `12.3 MiB`.
pub(super) fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

/// A path in the store, from its root.
fn inside<'a>(store: &Store, path: &'a Path) -> std::path::Display<'a> {
    path.strip_prefix(store.root()).unwrap_or(path).display()
}
