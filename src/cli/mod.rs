//! The command line: one file per subcommand.

mod bench;
mod cache;
mod comparison;
mod explain;
mod lineage;
mod pipeline;
mod plan;
mod preflight;
mod run;
mod saved_plan;
mod selection;
mod session;
mod status;
mod table;
mod validate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{EXIT_CODES, Error};
use crate::executor::worker;
use crate::report::{Console, Verbosity, logs};

const EXAMPLES: &str = "\
Examples:
  runner run pipelines/table1.yaml                 run what is not in the store yet
  runner run pipelines/table1.yaml -n              say what would run, and why
  runner run pipelines/table1.yaml --profile real -S data=/path/to/chest_xray
  runner run pipelines/table1.yaml --until cnn -S stages.cnn.params.epochs=3
  runner plan pipelines/table1.yaml                what would run, why, and how long it takes
  runner explain pipelines/table1.yaml cnn         what changed that makes it run
  runner status pipelines/table1.yaml              what is cached, what would run
  runner table pipelines/table1.yaml --format md   the results beside the paper's
  runner validate pipelines/*.yaml                 check, run nothing
  runner cache gc --max-age 30d                    what would go; with --apply, it goes
  runner bench train                               how fast this machine trains";

/// Runs declarative experiment pipelines, and of them only what changed.
#[derive(Debug, Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Say only what goes wrong, and the results
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more: what is cached, notes of stages, logs
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Plan(plan::Plan),
    Status(status::Status),
    Explain(explain::Explain),
    Lineage(lineage::Lineage),
    Table(table::Table),
    Validate(validate::Validate),
    Cache(cache::Cache),
    Bench(bench::Bench),
    /// Run one stage: a request on standard input, events on standard output
    #[command(hide = true)]
    Worker,
}

impl Cli {
    /// Does what was asked, and tells of what went wrong.
    pub fn execute(self) -> ExitCode {
        let console = Console::new(self.verbosity());
        let logs = logs::start(&console);
        let result = match self.command {
            Command::Run(run) => run.execute(&console, &logs),
            Command::Plan(plan) => plan.execute(&console),
            Command::Status(status) => status.execute(&console),
            Command::Explain(explain) => explain.execute(&console),
            Command::Lineage(lineage) => lineage.execute(&console),
            Command::Table(table) => table.execute(&console),
            Command::Validate(validate) => validate.execute(&console),
            Command::Cache(cache) => cache.execute(&console),
            Command::Bench(bench) => bench.execute(&console),
            Command::Worker => return worker::serve(),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                console.say(&error.to_string());
                error.exit_code()
            }
        }
    }

    fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }
}

/// For `map_err` on writing a result.
fn unwritten(error: std::io::Error) -> Error {
    Error::System(format!("failed to write to standard output: {error}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
