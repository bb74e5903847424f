//! `runner completions`: prints a completion script for a shell.

use clap::{Args, ValueEnum};
use clap_complete::generate;
use engine::error::Error;

use super::{command, unwritten};
use crate::report::Console;

/// Print a script that completes the command line in a shell
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Shell that will run the script
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Completions {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let shell = match self.shell {
            Shell::Bash => clap_complete::Shell::Bash,
            Shell::Zsh => clap_complete::Shell::Zsh,
            Shell::Fish => clap_complete::Shell::Fish,
        };
        let mut script = Vec::new();
        generate(shell, &mut visible(&command()), "runner", &mut script);
        let script = String::from_utf8(script).map_err(|e| Error::Internal(e.to_string()))?;
        console.result(&script).map_err(unwritten)
    }
}

/// The same command without hidden subcommands, which the generators would otherwise include.
fn visible(command: &clap::Command) -> clap::Command {
    let subcommands = command.get_subcommands();
    let subcommands = subcommands.filter(|command| !command.is_hide_set());
    clap::Command::new("runner")
        .args(command.get_arguments())
        .subcommands(subcommands)
}
