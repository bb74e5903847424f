//! `runner metrics`: lists all metrics of a pipeline or of a run.

mod filter;

use std::path::{Path, PathBuf};

use clap::Args;
use contract::{ShowPath, class_of};
use engine::error::Error;
use engine::plan::PlanOptions;
use engine::run::failures::Failures;
use engine::run::replay::replay;
use engine::run::run_metrics::{Measured, RunMetrics, gather, of_run, pooled};
use engine::run::{Outcomes, planned};
use serde_json::json;

use super::pipeline::{Overrides, catalogue};
use super::run_filter::RunFilter;
use super::unwritten;
use crate::report::metrics;
use crate::report::{Console, Verbosity};
use filter::Filter;

/// List all metrics of a pipeline, from the results in the store, or those of a run; the most important ones come first
#[derive(Debug, Args)]
pub(super) struct Metrics {
    /// Pipeline file; without it, the metrics of the latest run are listed
    file: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    /// List the metrics of this run: an id, the beginning of an id, `latest`, or `latest~N`
    #[arg(long, value_name = "RUN", conflicts_with_all = ["file", "profile", "sets", "device", "precision"])]
    run: Option<String>,
    #[command(flatten)]
    runs: RunFilter,
    /// List only these stages, instances and metrics; `*` stands for any text: evaluate, 'evaluate[model1]', f1,
    /// 'evaluate*.f1'
    #[arg(short, long = "filter", value_name = "PATTERN")]
    filters: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print comma-separated values in full precision
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl Metrics {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let (source, found) = match &self.file {
            Some(file) => self.of_pipeline(file)?,
            None => self.of_run(console)?,
        };
        let shown = found.shown();
        let all = pooled(&shown);
        let filter = Filter::new(&self.filters);
        filter.check(&all)?;
        let mut listed: Vec<&Measured<'_>> = all.iter().filter(|one| filter.accepts(one)).collect();
        // The sort is stable: within both parts, the order is that of the graph.
        listed.sort_by_key(|one| one.headline.is_none() || one.is_secondary);
        let text = match (self.json, self.csv) {
            (true, _) => json!({ "of": source, "metrics": metrics::json(&listed) }).to_string(),
            (_, true) => metrics::csv(&listed),
            _ if listed.is_empty() => {
                console.message(&format!("{source} has no metrics yet"));
                return Ok(());
            }
            _ => {
                if console.verbosity > Verbosity::Quiet {
                    console.message(&format!("metrics of {source}:"));
                }
                if self.filters.is_empty() {
                    let named = std::mem::take(&mut listed);
                    let once = named.iter().filter(|one| !is_repeated(one, &named));
                    listed = once.copied().collect();
                }
                metrics::text(&listed, console.width())
            }
        };
        console.result(&text).map_err(unwritten)?;
        let is_text = !self.json && !self.csv;
        let has_folds = listed.iter().any(|one| one.is_over_folds());
        if is_text && has_folds && console.verbosity > Verbosity::Quiet {
            console.message(
                "values of folds are their means ± standard deviations; `runner table` shows the metrics of the \
                 predictions of all folds together",
            );
        }
        Ok(())
    }

    /// The metrics of a pipeline as it is now, and what it is called in messages. For a sweep, those of the best trial.
    fn of_pipeline(&self, file: &Path) -> Result<(String, RunMetrics), Error> {
        let mut experiment = self.overrides.experiment(file)?;
        let store = self.runs.store.open()?;
        let mut outcomes = replay(&mut experiment, &store)?;
        if !experiment.is_sweep() {
            let plan = planned(experiment.graph(), &store, &PlanOptions::default())?;
            outcomes = Outcomes::new(&store);
            outcomes.stored(&plan, &Failures::default());
        }
        let mut source = file.shown();
        if let Some(profile) = &experiment.profile {
            source += &format!(" with the profile `{profile}`");
        }
        let found = gather(&experiment, &store, &outcomes.outputs);
        Ok((source, found))
    }

    /// The metrics of a run, and what it is called in messages.
    fn of_run(&self, console: &Console) -> Result<(String, RunMetrics), Error> {
        let store = self.runs.store.existing()?;
        let name = self.run.as_deref().unwrap_or("latest");
        let run = self.runs.find(&store, name, console)?;
        let found = of_run(&store, &run, catalogue().kinds);
        let mut source = format!("run {} of `{}`", run.report.run, run.report.pipeline);
        if let Some(profile) = &run.report.profile {
            source += &format!(" with the profile `{profile}`");
        }
        Ok((source, found))
    }
}

/// `true` if a metric of a class, such as `f1[SICK]`, is also listed as that of the positive class, `f1`.
fn is_repeated(one: &Measured<'_>, all: &[&Measured<'_>]) -> bool {
    let Some((metric, class)) = class_of(one.name) else {
        return false;
    };
    all.iter().any(|other| {
        (other.instance, other.port, other.name) == (one.instance, one.port, metric)
            && other.class() == Some(class)
    })
}
