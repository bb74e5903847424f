//! Records and prints the metrics at the end of a run.

use std::path::Path;

use contract::ShowPath;
use engine::error::Error;
use engine::run::Outcomes;
use engine::run::run_metrics::{self, Headlines, Previous, headlines};
use engine::sweep::Experiment;
use store::Store;

use super::unwritten;
use crate::report::metrics::{MOST_ROWS, changes, changes_in_words, summary};
use crate::report::{Console, Verbosity};

/// Width of the text in columns if there is no terminal.
const WIDTH: usize = 120;

/// Records the metrics in the run's folder. Returns the earlier record of the pipeline, if the metrics may have changed.
/// A record that cannot be written is logged: the results themselves are in the store.
pub(super) fn record(
    experiment: &Experiment,
    store: &Store,
    outcomes: &Outcomes<'_>,
    folder: &Path,
) -> Option<Previous> {
    let recorded = run_metrics::record(experiment, store, outcomes, folder);
    recorded.unwrap_or_else(|error| {
        tracing::warn!("failed to record metrics in `{}`: {error}", folder.shown());
        None
    })
}

/// Prints the headline metrics of a pipeline without tables. For a pipeline with tables, prints only what changed since
/// `previous`.
pub(super) fn print(
    console: &Console,
    experiment: &Experiment,
    store: &Store,
    outcomes: &Outcomes<'_>,
    previous: Option<&Previous>,
    file: &Path,
) -> Result<(), Error> {
    let has_tables = !experiment.graph().tables.is_empty();
    if has_tables && previous.is_none() {
        return Ok(());
    }
    let most = if has_tables { usize::MAX } else { MOST_ROWS };
    let Headlines { instances, unread } = headlines(experiment, store, &outcomes.outputs, most);
    let now: Vec<_> = instances.iter().collect();
    let before = previous.map(|previous| (previous.run.as_str(), previous.metrics.shown()));
    if !has_tables {
        let width = console.width().map_or(WIDTH, usize::from);
        let before = before
            .as_ref()
            .map(|(run, metrics)| (*run, metrics.as_slice()));
        let mut command = format!("runner metrics {}", file.shown());
        if let Some(profile) = &experiment.profile {
            command += &format!(" --profile {profile}");
        }
        let text = summary(&now, unread, before, width, &command);
        return match text.is_empty() {
            true => Ok(()),
            false => console.result(&text).map_err(unwritten),
        };
    }
    if let Some((run, before)) = before
        && console.verbosity > Verbosity::Quiet
    {
        let changed = changes(&now, &before);
        if !changed.is_empty() {
            let changed = changes_in_words(&changed);
            console.message(&format!(
                "since run {run}: {changed}; `runner compare {run} latest` shows all"
            ));
        }
    }
    Ok(())
}
