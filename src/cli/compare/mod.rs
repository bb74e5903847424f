//! `runner compare`: compares two runs.

mod cause;
mod comparison;
mod metric;
mod page;

use clap::Args;
use engine::error::Error;
use engine::run::recorded::Recorded;
use serde_json::{Value, json};

use super::runs::Among;
use super::unwritten;
use crate::report::Console;
use comparison::Comparison;

/// Compare two runs: first what differs, then which metrics became better or worse
#[derive(Debug, Args)]
pub struct Compare {
    /// First run: an id, the beginning of an id, `latest`, or `latest~N` for the Nth before it
    #[arg(value_name = "RUN_A")]
    a: String,
    /// Second run
    #[arg(value_name = "RUN_B")]
    b: String,
    #[command(flatten)]
    among: Among,
    /// Print one JSON object, including what is equal
    #[arg(long)]
    json: bool,
    /// Print Markdown
    #[arg(long, conflicts_with = "json")]
    md: bool,
}

impl Compare {
    pub fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.among.store.existing()?;
        let a = self.among.find(&store, &self.a, console)?;
        let b = self.among.find(&store, &self.b, console)?;
        let comparison = Comparison::of(&store, &a, &b);
        let text = match (self.json, self.md) {
            (true, _) => object(&a, &b, &comparison).to_string(),
            (_, true) => page::markdown(&a, &b, &comparison),
            _ => page::text(&a, &b, &comparison),
        };
        console.result(&text).map_err(unwritten)
    }
}

fn object(a: &Recorded, b: &Recorded, comparison: &Comparison) -> Value {
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
        "asked": comparison.asked,
        "changes": comparison.changes,
        "stages": comparison.stages,
    })
}
