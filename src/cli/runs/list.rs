//! `runner runs list`: lists the newest runs.

use clap::Args;
use engine::error::Error;
use engine::run::recorded::{self, Newest, Recorded};
use engine::wording;
use serde_json::{Value, json};

use crate::cli::record_text::when;
use crate::cli::run_filter::{RunFilter, warn};
use crate::cli::unwritten;
use crate::report::columns::aligned;
use crate::report::{Console, Verbosity};

/// List the newest runs, newest first
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    filter: RunFilter,
    /// List at most N runs
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.filter.store.existing()?;
        let pipeline = self.filter.pipeline.as_deref();
        let Newest {
            runs,
            has_more,
            bad,
        } = recorded::newest(&store, pipeline, self.limit as usize)
            .map_err(Error::io("read", &store.runs_folder()))?;
        warn(console, &bad);
        if self.json {
            let runs: Vec<Value> = runs.iter().map(object).collect();
            let bad = bad
                .iter()
                .map(|bad| json!({ "run": bad.id(), "why": bad.why() }));
            let bad: Vec<Value> = bad.collect();
            let object = json!({ "runs": runs, "more": has_more, "unreadable": bad });
            return console.result(&object.to_string()).map_err(unwritten);
        }
        if runs.is_empty() {
            if bad.is_empty() {
                console.message("found no runs");
            }
            return Ok(());
        }
        let heads = ["run", "pipeline", "state", "started", "took", "stages"];
        let mut rows = vec![heads.map(str::to_owned)];
        rows.extend(runs.iter().map(|run| {
            let report = &run.report;
            [
                report.run.clone(),
                report.pipeline.clone(),
                report.state.to_string(),
                when(&report.started),
                wording::duration(report.seconds),
                wording::counts(&report.counts),
            ]
        }));
        console.result(&aligned(&rows, 6)).map_err(unwritten)?;
        if has_more && console.verbosity > Verbosity::Quiet {
            console.message("there are older runs; `--limit N` lists more");
        }
        Ok(())
    }
}

fn object(run: &Recorded) -> Value {
    let report = &run.report;
    json!({
        "run": report.run,
        "pipeline": report.pipeline,
        "state": report.state,
        "started": report.started,
        "finished": report.finished,
        "seconds": report.seconds,
        "counts": report.counts,
        "planned": run.stages.len(),
    })
}
