//! `runner sweep`: shows the plan and the results of a sweep, and keeps a trial as a profile.

mod curve;
mod plan;
mod promote;
mod report;
mod show;

use contract::ShowPath;
use std::fs;
use std::path::Path;

use clap::{Args, Subcommand};
use engine::error::Error;
use engine::run::Outcomes;
use engine::store::Store;
use engine::sweep::Course;
use engine::sweep::record::{SweepReport, Trial, TrialState};
use engine::wording;

use super::pipeline::PipelineArgs;
use super::unwritten;
use crate::report::Console;
use crate::report::sweep::render;
use crate::report::table::Format;
pub use report::report;

/// Name of the file in a run's folder with its trials and all decisions about them.
const RECORD: &str = "sweep.json";
/// Most trials that are printed after a run.
const MOST_PRINTED: usize = 10;

/// Show what a sweep will run and which trials are best, or keep a trial as a profile
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

/// Writes the report of a sweep and all its decisions to the folder of a run.
pub fn record(
    course: &Course,
    store: &Store,
    outcomes: &Outcomes<'_>,
    folder: &Path,
) -> Result<SweepReport, Error> {
    let report = report(course, store, outcomes)?;
    let internal = |e: serde_json::Error| Error::Internal(e.to_string());
    let mut object = serde_json::to_value(&report).map_err(internal)?;
    object["decisions"] = serde_json::to_value(course.decisions()).map_err(internal)?;
    let path = folder.join(RECORD);
    fs::write(&path, format!("{object:#}\n")).map_err(Error::io("write", &path))?;
    Ok(report)
}

/// Prints the best trials after a run, followed by `behind`.
pub fn print(console: &Console, report: &SweepReport, behind: &str) -> Result<(), Error> {
    let width = console.width().map_or(show::WIDTH, usize::from);
    let text = render(report, Some(MOST_PRINTED), Format::Terminal, width) + behind;
    console.result(&text).map_err(unwritten)
}

/// Returns an error if a trial failed, because of a stage, a missing metric or an invalid pipeline.
pub fn verdict(report: &SweepReport) -> Result<(), Error> {
    let failed = |trial: &&Trial| trial.state == TrialState::Failed;
    let mut failed = report.trials.iter().filter(failed);
    let Some(first) = failed.next() else {
        return Ok(());
    };
    let error = first.error.as_deref().unwrap_or_default();
    let trials = wording::counted(1 + failed.count(), "trial");
    Err(Error::StagesFailed(format!("{trials} ({error})")))
}

/// Reads a pipeline that must have a sweep.
fn course(pipeline: &PipelineArgs) -> Result<Course, Error> {
    let course = pipeline.course()?;
    if course.is_sweep() {
        return Ok(course);
    }
    let file = pipeline.file.shown();
    Err(Error::Usage(format!(
        "`{file}` declares no sweep; add one under `sweep:`"
    )))
}
