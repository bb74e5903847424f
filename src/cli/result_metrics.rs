//! Records and prints the metrics at the end of a run.

use std::path::Path;

use contract::ShowPath;
use engine::error::Error;
use engine::run::Outcomes;
use engine::run::measurements::Measurements;
use engine::run::run_metrics::{self, Headlines, Previous, headlines};
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

/// Prints the headline metrics of a pipeline without tables. For a pipeline with tables or a sweep, which have printed
/// their metrics, prints only what changed since `previous`.
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
        let mut command = format!("runner metrics {}", file.shown());
        if let Some(profile) = &experiment.profile {
            command += &format!(" --profile {profile}");
        }
        let text = summary(&now, unread, &before, console.width(), &command);
        return match text.is_empty() {
            true => Ok(()),
            // Expectations were printed before.
            false if !experiment.graph().expectations.is_empty() => {
                console.result(&format!("\n{text}")).map_err(unwritten)
            }
            false => console.result(&text).map_err(unwritten),
        };
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
