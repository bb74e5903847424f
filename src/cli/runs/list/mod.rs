//! `runner runs list`: lists runs or trials with their parameters and metrics.

mod column;
mod defaults;
mod entry;
mod instances;
mod rows;
mod value;

use clap::Args;
use engine::error::Error;
use engine::run::recorded::{self, Newest};
use serde_json::{Map, Value as Json, json};

use crate::cli::run_filter::{RunFilter, warn};
use crate::cli::unwritten;
use crate::report::csv::line;
use crate::report::{Console, Verbosity};
use column::{Column, Role};
use entry::{Entry, entries};
use rows::Rows;

/// List runs, newest first, with their most important metrics; or all trials of their sweeps
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    filter: RunFilter,
    /// List at most N runs or trials
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// List the trials of sweeps instead of runs; `took` is the time of the stages that belong only to the trial
    #[arg(long)]
    trials: bool,
    /// Columns to show after the run, separated by commas: pipeline, profile, state, started, took, stages, options,
    /// a var that was set, an axis of a sweep, a parameter or a metric: cnn.learning_rate, evaluate.f1,
    /// evaluate[model1].f1; if both have the same name, `cnn.epochs` shows both: cnn.params.epochs and
    /// cnn.metrics.epochs
    #[arg(long, value_name = "COLUMNS", value_parser = column::names)]
    columns: Option<Names>,
    /// Print every run on one line with all columns, however narrow the terminal is
    #[arg(long)]
    wide: bool,
    /// Sort by a column, the least value first; `-COLUMN` sorts the greatest value first
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print comma-separated values in full precision: `took` in seconds, and a column with instances of different
    /// values as two columns, `.low` and `.high`
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
        // Which runs come first is known only after all were sorted. Trials are counted one by one, and most runs may
        // have none.
        let most = if self.sort.is_some() || self.trials {
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
            None => defaults::defaults(&entries, self.sort.as_deref()),
        };
        if self.json {
            let bad = bad
                .iter()
                .map(|bad| json!({ "run": bad.id(), "why": bad.why() }));
            let bad: Vec<_> = bad.collect();
            let runs = entries.iter().map(|entry| object(entry, &columns));
            let runs: Vec<_> = runs.collect();
            let object = json!({ "runs": runs, "more": has_more, "unreadable": bad });
            return console.result(&object.to_string()).map_err(unwritten);
        }
        if entries.is_empty() {
            if bad.is_empty() {
                console.message(match self.trials {
                    true => "found no trials of sweeps",
                    false => "found no runs",
                });
            }
            return Ok(());
        }
        let width = console.width().filter(|_| !self.wide);
        let mut left_out = Vec::new();
        let text = match (self.csv, width) {
            (true, _) => csv(&entries, &columns),
            (false, Some(width)) if self.columns.is_none() => {
                let mut rows = Rows::of(&entries, &columns);
                left_out = rows.narrow(width, self.sort.as_deref());
                rows.text(Some(width))
            }
            (false, width) => Rows::of(&entries, &columns).text(width),
        };
        console.result(&text).map_err(unwritten)?;
        if !left_out.is_empty() && console.verbosity > Verbosity::Quiet {
            let left_out = left_out.join(", ");
            console.message(&format!(
                "not shown: {left_out}; `--wide` shows all columns"
            ));
        }
        let is_of_fold = |entry: &Entry<'_>| entry.instances().iter().any(|one| one.is_of_fold());
        let has_metrics = columns.iter().any(|one| one.role(&entries) == Role::Metric);
        if has_metrics
            && entries.iter().any(is_of_fold)
            && !self.csv
            && console.verbosity > Verbosity::Quiet
        {
            console.message(
                "metrics of runs with folds are means over the folds; `runner table` shows those of the predictions of \
                 all folds together",
            );
        }
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
    let mut columns = Vec::new();
    for name in names {
        let column = Column::named(name);
        column.check(entries)?;
        match column.both(entries) {
            Some(both) => columns.extend(both),
            None => columns.push(column),
        }
    }
    Ok(columns)
}

/// Sorts by a column. Entries without a value come last; equal ones keep their order.
fn sort_by(entries: &mut [Entry<'_>], sort: &str) -> Result<(), Error> {
    let (name, is_descending) = match sort.strip_prefix('-') {
        Some(name) => (name, true),
        None => (sort, false),
    };
    let column = Column::named(name);
    column.check(entries)?;
    if let Some([param, metric]) = column.both(entries) {
        let (param, metric) = (param.name(), metric.name());
        return Err(Error::Usage(format!(
            "`{name}` is a parameter and a metric; sort by `{param}` or `{metric}`"
        )));
    }
    entries.sort_by_cached_key(|entry| column.value(entry).key(is_descending));
    Ok(())
}

/// A JSON object with what is always known, and the shown columns.
fn object(entry: &Entry<'_>, columns: &[Column]) -> Json {
    let report = &entry.run.report;
    let values = columns
        .iter()
        .map(|column| (column.name().to_owned(), column.value(entry).json()));
    let values: Map<String, Json> = values.collect();
    let mut object = json!({
        "run": report.run,
        "pipeline": report.pipeline,
        "profile": report.profile,
        "sets": report.sets,
        "state": report.state,
        "started": report.started,
        "finished": report.finished,
        "seconds": report.seconds,
        "counts": report.counts,
        "planned": entry.run.stages.len(),
        "columns": values,
    });
    if let Some(trial) = entry.trial() {
        let values = trial.values.iter();
        let values: Map<String, Json> = values
            .map(|(axis, value)| (axis.clone(), json!(value)))
            .collect();
        object["trial"] = json!({ "number": trial.number, "state": trial.state, "values": values });
    }
    object
}

fn csv(entries: &[Entry<'_>], columns: &[Column]) -> String {
    let mut rows: Vec<Vec<String>> = std::iter::once(vec!["run".to_owned()])
        .chain(entries.iter().map(|entry| vec![entry.id()]))
        .collect();
    for column in columns {
        let values = entries.iter().map(|entry| column.value(entry).exact());
        let values: Vec<[String; 2]> = values.collect();
        let is_range = values.iter().any(|[low, high]| low != high);
        let name = entry::name(column.name());
        let (heads, ends) = match is_range {
            true => (["low", "high"].map(|end| format!("{name}.{end}")), 2),
            false => ([name, String::new()], 1),
        };
        for (row, cells) in rows.iter_mut().zip(std::iter::once(heads).chain(values)) {
            row.extend(cells.into_iter().take(ends));
        }
    }
    rows.iter().map(|row| line(row)).collect()
}
