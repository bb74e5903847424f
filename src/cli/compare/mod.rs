//! `runner compare`: compares two runs.

mod cause;
mod metric;
mod page;
mod run_diff;
mod run_pair;
mod view;

use clap::Args;
use engine::error::Error;
use engine::run::recorded::Recorded;
use serde_json::{Value, json};

use super::run_filter::RunFilter;
use super::unwritten;
use crate::report::Console;
use run_diff::RunDiff;

pub(super) use view::view;

/// Compare two runs: first what differs, then which metrics became better or worse
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// First run: an id, the beginning of an id, `latest`, or `latest~N` for the Nth run before the latest
    #[arg(value_name = "RUN_A")]
    a: String,
    /// Second run
    #[arg(value_name = "RUN_B")]
    b: String,
    #[command(flatten)]
    filter: RunFilter,
    /// Print one JSON object, including what is equal
    #[arg(long)]
    json: bool,
    /// Print Markdown
    #[arg(long, conflicts_with = "json")]
    md: bool,
}

impl Compare {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.filter.store.existing()?;
        let a = self.filter.find(&store, &self.a, console)?;
        let b = self.filter.find(&store, &self.b, console)?;
        let diff = RunDiff::of(&store, &a, &b);
        let text = match (self.json, self.md) {
            (true, _) => object(&a, &b, &diff).to_string(),
            (_, true) => page::markdown(&a, &b, &diff),
            _ => page::text(&a, &b, &diff, console.width()),
        };
        console.result(&text).map_err(unwritten)
    }
}

fn object(a: &Recorded, b: &Recorded, diff: &RunDiff) -> Value {
    let head = |run: &Recorded| {
        let report = &run.report;
        json!({
            "run": report.run,
            "state": report.state,
            "seconds": report.seconds,
            "profile": report.profile,
            "sets": report.sets,
        })
    };
    json!({
        "a": head(a),
        "b": head(b),
        "asked": diff.settings,
        "changes": diff.changes,
        "stages": diff.stages,
    })
}
