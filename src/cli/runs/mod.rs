//! `runner runs`: lists, shows, compares, exports and stops runs, and prints the output of their stages.

mod cancel;
mod export;
mod list;
mod logs;
mod show;

use clap::{Args, Subcommand};
use engine::error::Error;

use super::compare::Compare;
use crate::report::Console;

/// List runs, show one, compare two, export one, print what stages wrote, or stop a run
#[derive(Debug, Args)]
pub(super) struct Runs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::List),
    Show(show::Show),
    /// Same as `runner compare`
    Diff(Compare),
    Logs(logs::Logs),
    Export(export::Export),
    Cancel(cancel::Cancel),
}

impl Runs {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        match self.command {
            Command::List(list) => list.execute(console),
            Command::Show(show) => show.execute(console),
            Command::Diff(diff) => diff.execute(console),
            Command::Logs(logs) => logs.execute(console),
            Command::Export(export) => export.execute(console),
            Command::Cancel(cancel) => cancel.execute(console),
        }
    }
}
