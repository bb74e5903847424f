//! `runner sweep`: what a sweep is about to do, what came of it, and what to keep of it.

mod curve;
mod plan;
mod promote;
pub mod report;
mod show;

use clap::{Args, Subcommand};

use crate::cli::pipeline::PipelineArgs;
use crate::error::Error;
use crate::report::Console;
use crate::sweep::Course;

/// Look at a sweep: what it will run, which trials are best, and why; keep one as a profile
#[derive(Debug, Args)]
pub struct Sweep {
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
    pub fn execute(self, console: &Console) -> Result<(), Error> {
        match self.command {
            Command::Plan(plan) => plan.execute(console),
            Command::Show(show) => show.execute(console),
            Command::Promote(promote) => promote.execute(console),
        }
    }
}

/// Reads a pipeline that must have a sweep.
fn course(pipeline: &PipelineArgs) -> Result<Course, Error> {
    let course = pipeline.course()?;
    if course.is_sweep() {
        return Ok(course);
    }
    let file = pipeline.file.display();
    Err(Error::Usage(format!(
        "`{file}` declares no sweep; add one under `sweep:`"
    )))
}
