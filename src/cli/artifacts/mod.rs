//! `runner artifacts`: lists, shows and exports the newest results.

mod export;
pub(super) mod hint;
pub(super) mod lookup;
mod ls;
mod show;

use clap::{Args, Subcommand};
use engine::error::Error;

use crate::report::Console;

/// List the newest results, show what one was made from, or copy its files out of the store
#[derive(Debug, Args)]
pub(super) struct Artifacts {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(ls::Ls),
    Show(show::Show),
    Export(export::Export),
}

impl Artifacts {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        match self.command {
            Command::Ls(ls) => ls.execute(console),
            Command::Show(show) => show.execute(console),
            Command::Export(export) => export.execute(console),
        }
    }
}
