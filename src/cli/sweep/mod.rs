//! `runner sweep`: shows the plan and the results of a sweep, and saves a trial as a profile.

mod plan;
mod promote;
mod replaced;
mod show;

use clap::{Args, Subcommand};
use contract::ShowPath;
use engine::error::Error;
use engine::sweep::Experiment;
use engine::sweep::record::SweepReport;

use super::pipeline::PipelineArgs;
use super::unwritten;
use crate::report::Console;
use crate::report::format::Format;
use crate::report::sweep::render;

/// Maximum number of trials that are printed after a run.
const MOST_PRINTED: usize = 10;

/// Show what a sweep will run and which trials are best, or save a trial as a profile
#[derive(Debug, Args)]
pub(super) struct Sweep {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Plan(plan::Plan),
    Show(show::Show),
    Promote(promote::Promote),
}

impl Sweep {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        match self.command {
            Command::Plan(plan) => plan.execute(console),
            Command::Show(show) => show.execute(console),
            Command::Promote(promote) => promote.execute(console),
        }
    }
}

/// Prints the best trials after a run, followed by `behind`.
pub(super) fn print(console: &Console, report: &SweepReport, behind: &str) -> Result<(), Error> {
    let width = console.width();
    let text = render(report, Some(MOST_PRINTED), Format::Terminal, width) + behind;
    console.result(&text).map_err(unwritten)
}

/// Reads a pipeline that must have a sweep.
fn experiment(pipeline: &PipelineArgs) -> Result<Experiment, Error> {
    let experiment = pipeline.experiment()?;
    if experiment.is_sweep() {
        return Ok(experiment);
    }
    let file = pipeline.file.shown();
    Err(Error::Usage(format!(
        "`{file}` declares no sweep; add one under `sweep:`"
    )))
}
