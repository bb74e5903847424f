//! `runner sweep promote`: writes the values of a trial into the pipeline file.

use clap::Args;
use contract::{ShowPath, files};
use engine::atomic_file::{self, Flush};
use engine::error::Error;
use engine::run::Outcomes;
use engine::run::replay::replay;
use engine::run::run_metrics::headline_means;
use engine::run::sweep_report::report;
use engine::spec::{self, Node};
use engine::sweep::Experiment;
use engine::sweep::record::SweepReport;
use store::{Memo, Store};

use super::replaced::Replaced;
use crate::cli::pipeline::{ANALYSIS, PipelineArgs, StoreArgs};
use crate::report::Console;
use crate::report::sweep::in_words;

/// Write the values of a trial into a profile of the pipeline
#[derive(Debug, Args)]
pub(super) struct Promote {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Number of the trial, or `best`
    #[arg(value_name = "TRIAL", default_value = "best")]
    trial: String,
    /// Name of the profile
    #[arg(long = "as", value_name = "NAME", default_value = "best")]
    name: String,
    /// Replace values in the profile that were edited, or that this command did not write
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    store: StoreArgs,
}

impl Promote {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let file = &self.pipeline.file;
        let mut experiment = super::experiment(&self.pipeline)?;
        let store = self.store.open()?;
        let outcomes = replay(&mut experiment, &store)?;
        let report = report(&experiment, &store, &outcomes, ANALYSIS)?;
        let number = self.number(&report)?;
        let trials = experiment.trials().iter();
        let trial = trials.filter(|trial| trial.number == number);
        let values = trial.flat_map(|trial| &trial.values);
        let mut values: Vec<(String, Node)> = values
            .map(|value| (value.name.clone(), value.value.clone()))
            .collect();
        let text = files::read_text(file, files::MOST_TEXT).map_err(Error::io("read", file))?;
        let invalid = |error| Error::Invalid(vec![error]);
        if !values.is_empty() {
            let base = experiment.profile.as_deref();
            let sets = self.pipeline.overrides.typed();
            values = spec::with_given(file, &text, base, sets, values).map_err(invalid)?;
            spec::single_trial(file, &text, &mut values, experiment.seeds().len());
        }
        let promoted = spec::promote(file, &text, &self.name, &values).map_err(invalid)?;
        let memo = Memo::Promoted {
            pipeline: &experiment.pipeline,
            profile: &self.name,
        };
        let replaced = Replaced {
            old: spec::profile_values(file, &text, &self.name).map_err(invalid)?,
            new: spec::as_written(&values),
            known: store.memo(memo).unwrap_or_default(),
        };
        if !self.force {
            self.check_unedited(&replaced, number)?;
        }
        let written = atomic_file::destination(file).and_then(|file| {
            atomic_file::write(&file, ".promote-", Flush::BeforeRename, |to| {
                to.write_all(promoted.as_bytes())
            })
        });
        written.map_err(Error::io("write", file))?;
        if let Err(error) = store.set_memo(memo, &replaced.written()) {
            tracing::warn!("{error}");
        }
        console.message(&format!(
            "wrote trial {number} to the profile `{}` of `{}`{}",
            self.name,
            file.shown(),
            match self.metrics(&experiment, &store, &outcomes, number) {
                Some(metrics) => format!(": {metrics}"),
                None => String::new(),
            }
        ));
        if let Some(changed) = replaced.changed() {
            console.message(&format!("replaced {changed}"));
        }
        console.message(&format!(
            "`runner metrics {1} --profile {0}` lists its metrics, and `runner run {1} --profile {0}` runs it alone",
            self.name,
            file.shown(),
        ));
        Ok(())
    }

    /// Returns an error if values would be replaced that this command did not write.
    fn check_unedited(&self, replaced: &Replaced, number: usize) -> Result<(), Error> {
        let Some(edited) = replaced.edited() else {
            return Ok(());
        };
        Err(Error::Usage(format!(
            "the profile `{}` of `{}` has values that this command did not write: {edited}; `--force` replaces them by \
             those of trial {number}, and `--as NAME` writes another profile",
            self.name,
            self.pipeline.file.shown(),
        )))
    }

    /// The most important metrics of a trial; `None` if it has none.
    fn metrics(
        &self,
        experiment: &Experiment,
        store: &Store,
        outcomes: &Outcomes<'_>,
        number: usize,
    ) -> Option<String> {
        let mut trials = experiment.trials().iter();
        let trial = trials.find(|trial| trial.number == number)?;
        in_words(&headline_means(
            experiment,
            store,
            &outcomes.outputs,
            &trial.copies,
        ))
    }

    fn number(&self, report: &SweepReport) -> Result<usize, Error> {
        let wanted = &self.trial;
        if wanted == "best" && report.objective.is_none() {
            let message =
                "the sweep has no `objective`, and so no best trial; name a trial by its number";
            return Err(Error::Usage(message.to_owned()));
        }
        if wanted == "best" {
            let best = report.best().map(|trial| trial.number);
            return best.ok_or_else(|| {
                let why = report.why_no_best().unwrap_or_default();
                Error::Usage(format!("there is no best trial: {why}"))
            });
        }
        let number = wanted.parse().ok();
        let mut numbers = report.trials.iter().map(|trial| trial.number);
        let found = numbers.find(|&known| Some(known) == number);
        found.ok_or_else(|| {
            let count = report.trials.len();
            Error::Usage(format!(
                "there is no trial `{wanted}`; give a number from 1 to {count}, or `best`"
            ))
        })
    }
}
