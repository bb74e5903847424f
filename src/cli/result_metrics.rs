//! Records and prints the metrics at the end of a run.

use std::path::Path;

use contract::ShowPath;
use engine::error::Error;
use engine::run::Outcomes;
use engine::run::measurements::Measurements;
use engine::run::run_metrics::{self, Headlines, InstanceMetrics, Previous, headlines};
use engine::sweep::Experiment;
use store::Store;

use super::unwritten;
use crate::report::metrics::{Before, MOST_ROWS, changes, summary};
use crate::report::{Console, Verbosity};

/// Records the metrics in the run's folder. Returns the earlier records to compare them with.
/// A record that cannot be written is logged: the results themselves are in the store.
pub(super) fn record(
    experiment: &Experiment,
    store: &Store,
    outcomes: &Outcomes<'_>,
    folder: &Path,
) -> Vec<Previous> {
    let recorded = run_metrics::record(experiment, store, outcomes, folder);
    recorded.unwrap_or_else(|error| {
        tracing::warn!("failed to record metrics in `{}`: {error}", folder.shown());
        Vec::new()
    })
}

/// Warns about metrics that tables and expectations name, but that were not measured.
pub(super) fn warn_of_absent(console: &Console, results: &Measurements<'_>) {
    for absent in results.absent_metrics() {
        console.message(&format!("warning: {absent}"));
    }
}

/// Prints the headline metrics of a pipeline without tables, and after its first run, the commands to try next. For a
/// pipeline with tables or a sweep, which have printed their metrics, prints only what changed since `previous`.
pub(super) fn print(
    console: &Console,
    experiment: &Experiment,
    store: &Store,
    outcomes: &Outcomes<'_>,
    previous: &[Previous],
    file: &Path,
) -> Result<(), Error> {
    // The report of a sweep has the metrics of its best trial.
    let are_printed = !experiment.graph().tables.is_empty() || experiment.is_sweep();
    if are_printed && previous.is_empty() {
        return Ok(());
    }
    let most = if are_printed { usize::MAX } else { MOST_ROWS };
    let Headlines { instances, unread } = headlines(experiment, store, &outcomes.outputs, most);
    let now: Vec<_> = instances.iter().collect();
    let before = previous.iter().map(|previous| Before {
        run: &previous.run,
        instances: previous.metrics.shown(),
    });
    let before: Vec<Before<'_>> = before.collect();
    if !are_printed {
        let mut arguments = file.shown();
        if let Some(profile) = &experiment.profile {
            arguments += &format!(" --profile {profile}");
        }
        let command = format!("runner metrics {arguments}");
        let text = summary(&now, unread, &before, console.width(), &command);
        if text.is_empty() {
            return Ok(());
        }
        // Expectations were printed before.
        let gap = match experiment.graph().expectations.is_empty() {
            true => "",
            false => "\n",
        };
        console.result(&format!("{gap}{text}")).map_err(unwritten)?;
        if experiment.folds() > 1 && console.verbosity > Verbosity::Quiet {
            console.message(&format!(
                "`runner table {arguments}` shows the metrics of the predictions of all folds together"
            ));
        }
        // A program that reads the output needs no hints.
        if previous.is_empty() && console.width().is_some() && console.verbosity > Verbosity::Quiet
        {
            for step in next_steps(&now, &arguments) {
                console.message(&step);
            }
        }
        return Ok(());
    }
    if console.verbosity > Verbosity::Quiet
        && let Some(changed) = changes(&now, &before)
        && let Some(newest) = previous.first()
    {
        let run = &newest.run;
        console.message(&format!(
            "{changed}; `runner compare {run} latest` shows all"
        ));
    }
    Ok(())
}

/// Commands to try after the first run of a pipeline. `arguments` choose the pipeline.
fn next_steps(now: &[&InstanceMetrics], arguments: &str) -> Vec<String> {
    let measures_results =
        |one: &&&InstanceMetrics| one.ports.iter().any(|port| !port.is_secondary);
    let has_several = now.iter().filter(measures_results).count() > 1;
    let table = format!("`runner table {arguments}` tests which one is best");
    let serve = "`runner serve --open` shows runs in the browser".to_owned();
    has_several
        .then_some(table)
        .into_iter()
        .chain([serve])
        .collect()
}

#[cfg(test)]
mod tests {
    use engine::run::run_metrics::{InstanceMetrics, PortMetrics};

    use super::next_steps;

    #[test]
    fn a_table_is_suggested_if_there_is_something_to_compare() {
        let instance = |is_secondary: bool| InstanceMetrics {
            ports: vec![PortMetrics {
                is_secondary,
                ..PortMetrics::default()
            }],
            ..InstanceMetrics::default()
        };
        let [training, result] = [true, false].map(instance);
        let serve = "`runner serve --open` shows runs in the browser";
        let one = [&training, &training, &result];
        assert_eq!(next_steps(&one, "p.yaml"), [serve]);
        let two = [&training, &result, &result];
        assert_eq!(
            next_steps(&two, "p.yaml --profile quick"),
            [
                "`runner table p.yaml --profile quick` tests which one is best",
                serve
            ]
        );
    }
}
