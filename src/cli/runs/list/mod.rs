//! `runner runs list`: lists runs or trials with their parameters and metrics.

mod column;
mod entry;

use clap::Args;
use engine::error::Error;
use engine::run::recorded::{self, Newest};
use serde_json::{Value, json};

use crate::cli::run_filter::{RunFilter, warn};
use crate::cli::unwritten;
use crate::report::columns::dynamic;
use crate::report::csv::line;
use crate::report::{Console, Verbosity};
use column::Column;
use entry::{Entry, entries};

/// List runs, newest first, with their most important metrics; or all trials of their sweeps
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    filter: RunFilter,
    /// List at most N runs or trials
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// List the trials of sweeps instead of their runs
    #[arg(long)]
    trials: bool,
    /// Columns to show after the run, separated by commas: pipeline, profile, state, started, took, stages, options,
    /// a var that was set, an axis of a sweep, a parameter or a metric: cnn.learning_rate, evaluate.f1,
    /// evaluate[model1].f1
    #[arg(long, value_name = "COLUMNS", value_parser = column::names)]
    columns: Option<Names>,
    /// Sort by a column, the least value first; `-COLUMN` sorts the greatest value first
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print comma-separated values in full precision
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Names of columns. An alias, because clap would take a `Vec` for repeated options.
type Names = Vec<String>;

impl List {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.filter.store.existing()?;
        let pipeline = self.filter.pipeline.as_deref();
        let limit = self.limit as usize;
        // Which runs come first is known only after all were sorted, and trials are counted one by one.
        let most = if self.sort.is_some() {
            usize::MAX
        } else {
            limit
        };
        let Newest {
            runs,
            mut has_more,
            bad,
        } = recorded::newest(&store, pipeline, most)
            .map_err(Error::io("read", &store.runs_folder()))?;
        warn(console, &bad);
        let mut entries = entries(&store, &runs, self.trials);
        if let Some(sort) = &self.sort {
            sort_by(&mut entries, sort)?;
        }
        has_more |= entries.len() > limit;
        entries.truncate(limit);
        let columns = match &self.columns {
            Some(names) => chosen(names, &entries)?,
            None => column::defaults(&entries, self.sort.as_deref()),
        };
        if self.json {
            let bad = bad
                .iter()
                .map(|bad| json!({ "run": bad.id(), "why": bad.why() }));
            let bad: Vec<Value> = bad.collect();
            let runs = entries.iter().map(|entry| entry.object(&columns));
            let runs: Vec<Value> = runs.collect();
            let object = json!({ "runs": runs, "more": has_more, "unreadable": bad });
            return console.result(&object.to_string()).map_err(unwritten);
        }
        if entries.is_empty() {
            if bad.is_empty() {
                console.message("found no runs");
            }
            return Ok(());
        }
        let text = match self.csv {
            true => csv(&entries, &columns),
            false => text(&entries, &columns),
        };
        console.result(&text).map_err(unwritten)?;
        if has_more && !self.csv && console.verbosity > Verbosity::Quiet {
            let what = if self.trials { "trials" } else { "older runs" };
            console.message(&format!(
                "there are {what} that are not shown; `--limit N` lists more"
            ));
        }
        Ok(())
    }
}

/// The columns with these names.
fn chosen(names: &[String], entries: &[Entry<'_>]) -> Result<Vec<Column>, Error> {
    let columns = names.iter().map(|name| {
        let column = Column::named(name);
        column.check(entries).map(|()| column)
    });
    columns.collect()
}

/// Sorts by a column. Entries without a value come last; equal ones keep their order.
fn sort_by(entries: &mut [Entry<'_>], sort: &str) -> Result<(), Error> {
    let (name, is_descending) = match sort.strip_prefix('-') {
        Some(name) => (name, true),
        None => (sort, false),
    };
    let column = Column::named(name);
    column.check(entries)?;
    entries.sort_by_cached_key(|entry| column.value(entry).key(is_descending));
    Ok(())
}

fn text(entries: &[Entry<'_>], columns: &[Column]) -> String {
    let mut rows = vec![column::heads(columns)];
    for entry in entries {
        let mut row = vec![entry.id()];
        row.extend(columns.iter().map(|column| column.value(entry).text()));
        rows.push(row);
    }
    let is_number = |column: &usize| {
        let mut values = entries.iter().map(|entry| columns[*column].value(entry));
        values.all(|value| value.is_number_or_missing())
    };
    let numbers = (0..columns.len()).filter(is_number);
    let numbers: Vec<usize> = numbers.map(|column| column + 1).collect();
    dynamic(&rows, &numbers)
}

fn csv(entries: &[Entry<'_>], columns: &[Column]) -> String {
    let mut text = line(&column::heads(columns));
    for entry in entries {
        let mut row = vec![entry.id()];
        row.extend(columns.iter().map(|column| column.value(entry).exact()));
        text += &line(&row);
    }
    text
}
