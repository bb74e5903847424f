//! The command line, with one file per subcommand.

mod artifacts;
mod attach;
mod bench;
mod cache;
mod command_line;
mod compare;
mod completions;
mod config;
mod doctor;
mod examples;
mod executors;
mod expectations;
mod explain;
mod faults;
mod graph;
mod hosts;
mod images;
mod init;
mod keys;
mod kinds;
mod lineage;
mod man;
mod metrics;
mod node;
mod notify;
mod output_file;
mod output_path;
mod pipeline;
mod plan;
mod predict;
mod preflight;
mod record_diff;
mod record_text;
mod remote;
mod report;
mod resources;
mod result_metrics;
mod run;
mod run_filter;
mod run_notes;
mod runs;
mod schema;
mod selection;
mod serve;
mod shared;
mod status;
mod submit;
mod sweep;
mod table;
mod transfer;
mod validate;
mod version;

use std::process::ExitCode;

use clap::builder::BoolishValueParser;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use engine::error::{EXIT_CODES, Error};
use engine::launch::{warden, worker};

use self::command_line::CommandLine;
use crate::report::{Console, logs};

/// Run declarative experiment pipelines, and redo only what changed
#[derive(Debug, Parser)]
#[command(
    after_help = format!("{}\n\n{EXIT_CODES}", examples::MAIN),
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print only errors, warnings and results
    #[arg(short, long, global = true, env = "RUNNER_QUIET", value_parser = BoolishValueParser::new())]
    quiet: bool,
    /// Print more: cached stages, notes from stages, logs
    #[arg(short, long, global = true, env = "RUNNER_VERBOSE", value_parser = BoolishValueParser::new())]
    verbose: bool,
    /// When to use colors: auto (never if `NO_COLOR` is set), always, never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    color: Color,
    /// Print the version; with --verbose, also the details of this build
    #[arg(short = 'V', long)]
    version: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Submit(submit::Submit),
    Plan(plan::Plan),
    Status(status::Status),
    Explain(explain::Explain),
    Lineage(lineage::Lineage),
    Table(table::Table),
    Report(report::Report),
    Metrics(metrics::Metrics),
    Images(images::Images),
    Sweep(sweep::Sweep),
    Compare(compare::Compare),
    Validate(validate::Validate),
    Kinds(kinds::Kinds),
    Schema(schema::Schema),
    Runs(runs::Runs),
    Attach(attach::Attach),
    Serve(serve::Serve),
    Artifacts(artifacts::Artifacts),
    Predict(predict::Predict),
    Graph(graph::Graph),
    Cache(cache::Cache),
    Push(transfer::Push),
    Pull(transfer::Pull),
    Keys(keys::Keys),
    Bench(bench::Bench),
    Doctor(doctor::Doctor),
    Init(init::Init),
    Config(config::Config),
    Completions(completions::Completions),
    Man(man::Man),
    /// Run one stage: read a request from standard input, and write events to standard output
    #[command(hide = true)]
    Worker,
    /// Read the ids of programs from standard input, and kill those that outlive the runner that started them
    #[command(hide = true)]
    Warden,
    #[command(hide = true)]
    Node(node::NodeArgs),
}

/// Runs the command line of this process, and prints the error if there is one.
pub fn execute() -> ExitCode {
    faults::guard(|| {
        let line = CommandLine::of_this_process();
        let console = Console::new(line.verbosity);
        carry_out(line, &console)
    })
}

fn carry_out(line: CommandLine, console: &Console) -> ExitCode {
    match line.cli.and_then(|cli| cli.execute(console)) {
        Ok(code) => code,
        Err(error) => {
            console.message(&error.to_string());
            if let (Error::Invalid(_), Some(place)) = (&error, line.profile_from) {
                console.message(&format!("note: the profile comes from `{place}`"));
            }
            error.exit_code()
        }
    }
}

impl Cli {
    fn execute(self, console: &Console) -> Result<ExitCode, Error> {
        if self.version {
            version::print(console)?;
            return Ok(ExitCode::SUCCESS);
        }
        let Some(command) = self.command else {
            let message = "a subcommand is missing; `runner --help` lists all subcommands";
            return Err(Error::Usage(message.to_owned()));
        };
        if !matches!(
            command,
            Command::Worker | Command::Warden | Command::Bench(_) | Command::Predict(_)
        ) {
            faults::start_threads()?;
        }
        let logs = logs::start(console);
        match command {
            Command::Run(run) => run.execute(console, &logs),
            Command::Submit(submit) => submit.execute(console),
            Command::Plan(plan) => plan.execute(console),
            Command::Status(status) => status.execute(console),
            Command::Explain(explain) => explain.execute(console),
            Command::Lineage(lineage) => lineage.execute(console),
            Command::Table(table) => table.execute(console),
            Command::Report(report) => report.execute(console),
            Command::Metrics(metrics) => metrics.execute(console),
            Command::Images(images) => images.execute(console),
            Command::Sweep(sweep) => sweep.execute(console),
            Command::Compare(compare) => compare.execute(console),
            Command::Validate(validate) => validate.execute(console),
            Command::Graph(graph) => graph.execute(console),
            Command::Kinds(kinds) => kinds.execute(console),
            Command::Schema(schema) => schema.execute(console),
            Command::Runs(runs) => runs.execute(console),
            Command::Attach(attach) => attach.execute(console),
            Command::Serve(serve) => serve.execute(console),
            Command::Artifacts(artifacts) => artifacts.execute(console),
            Command::Predict(predict) => predict.execute(console),
            Command::Cache(cache) => cache.execute(console),
            Command::Push(push) => push.execute(console),
            Command::Pull(pull) => pull.execute(console),
            Command::Keys(keys) => keys.execute(console),
            Command::Bench(bench) => bench.execute(console),
            Command::Doctor(doctor) => doctor.execute(console),
            Command::Init(init) => init.execute(console),
            Command::Config(config) => config.execute(console),
            Command::Completions(completions) => completions.execute(console),
            Command::Man(man) => man.execute(console),
            Command::Worker => return Ok(worker::serve(&pipeline::KINDS)),
            Command::Warden => return Ok(warden::serve()),
            Command::Node(node) => return node.execute(),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The clap command, with the examples of every subcommand.
pub fn command() -> clap::Command {
    examples::added(Cli::command())
}

/// A name as an argument of a shell command: in quotes if it needs them.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if !name.is_empty() && name.chars().all(is_plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', r"'\''"))
}

/// For `map_err`: converts an error from writing a result.
fn unwritten(error: std::io::Error) -> Error {
    Error::System(format!("failed to write to standard output: {error}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_valid() {
        super::command().debug_assert();
    }
}
