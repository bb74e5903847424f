//! `runner cache`: shows, checks and cleans up the store.

mod gc;
mod info;
mod remote_gc;
mod verify;

use std::io;
use std::path::Path;
use std::time::SystemTime;

use bytesize::ByteSize;
use clap::{Args, Subcommand};
use contract::ShowPath;
use engine::error::Error;
use engine::run::history::History;
use store::{BadUse, RunUse, Store, Unread, Uses};

use crate::report::Console;

/// Show what the store holds, check it, or remove what is no longer needed
#[derive(Debug, Args)]
pub(super) struct Cache {
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
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        match self.command {
            Command::Info(info) => info.execute(console),
            Command::Verify(verify) => verify.execute(console),
            Command::Gc(gc) => gc.execute(console),
        }
    }
}

/// Lists what the runs in the folder `runs` used, so that a collection keeps it.
fn uses(runs: &Path) -> io::Result<Uses> {
    let History { runs, bad } = History::read(runs)?;
    let mut uses = Uses::default();
    for run in runs {
        // A run without results does not count for `--keep-runs`, because it would keep no results.
        if !run.keys.is_empty() {
            uses.runs.push(RunUse {
                folder: run.folder,
                pipeline: run.pipeline,
                started: SystemTime::from(run.started),
                keys: run.keys,
            });
        }
    }
    uses.bad.extend(bad.into_iter().map(|run| BadUse {
        record: Unread {
            path: run.folder.join(run.file),
            why: run.fault.to_string(),
        },
        keys: run.keys,
    }));
    Ok(uses)
}

/// `12.3 MiB`.
pub(in crate::cli) fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

/// A path in the store, relative to its root.
fn inside(store: &Store, path: &Path) -> String {
    path.strip_prefix(store.root()).unwrap_or(path).shown()
}
