//! Writes the record of a run's metrics.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{METRICS_RECORD, RunMetrics, gather, read};
use crate::atomic_file::{self, Flush};
use crate::run::Outcomes;
use crate::sweep::Experiment;
use contract::ArtifactType;
use store::keys::Digest;
use store::{Memo, Store};

const CONTEXT: &str = "runner run metrics identity v1";
/// Prefix of the names of files before they are renamed.
const FRESH: &str = ".tmp-";

/// The run that last recorded metrics for the same pipeline and profile.
#[derive(Clone, Debug)]
pub struct Previous {
    /// The run's id.
    pub run: String,
    pub metrics: RunMetrics,
}

/// The last record of a pipeline and profile.
#[derive(Serialize, Deserialize)]
struct Last {
    /// Digest of everything that is in the record.
    identity: Digest,
    /// The run whose folder has the record.
    run: String,
}

/// Writes the metrics of a run to its folder. Returns the record before it if the metrics may have changed; `None` if
/// all results are the same, or if there is no earlier record.
///
/// # Errors
/// If the file cannot be written.
pub fn record(
    experiment: &Experiment,
    store: &Store,
    outcomes: &Outcomes<'_>,
    folder: &Path,
) -> io::Result<Option<Previous>> {
    let memo = Memo::RunMetrics {
        pipeline: &experiment.pipeline,
        profile: experiment.profile.as_deref(),
    };
    let identity = identity(experiment, outcomes);
    let last: Option<Last> = store.memo(memo);
    let file = folder.join(METRICS_RECORD);
    if let Some(last) = &last
        && last.identity == identity
        && is_name(&last.run)
        && fs::hard_link(
            store.runs_folder().join(&last.run).join(METRICS_RECORD),
            &file,
        )
        .is_ok()
    {
        return Ok(None);
    }
    let metrics = gather(experiment, store, &outcomes.outputs);
    let bytes = store::seal(&metrics)?;
    atomic_file::write(&file, FRESH, Flush::No, |to| to.write_all(&bytes))?;
    if metrics.is_empty() {
        // A run of a part of the pipeline does not replace the metrics to compare with.
        return Ok(None);
    }
    let run = folder.file_name().unwrap_or_default().to_string_lossy();
    let new = Last {
        identity,
        run: run.into_owned(),
    };
    if let Err(error) = store.set_memo(memo, &new) {
        tracing::warn!("{error}");
    }
    let last = last.filter(|last| last.identity != identity && is_name(&last.run));
    Ok(last.and_then(|last| {
        let metrics = read(&store.runs_folder().join(&last.run))?;
        Some(Previous {
            run: last.run,
            metrics,
        })
    }))
}

/// Whether the name of a run leads to a folder among those of the runs.
fn is_name(run: &str) -> bool {
    store::component(run) == run
}

/// Digest of what determines the record: the instances with their identities and metrics, and the trials.
fn identity(experiment: &Experiment, outcomes: &Outcomes<'_>) -> Digest {
    let graph = experiment.graph();
    let mut text = String::new();
    for &node in &graph.order {
        let Some(outputs) = outcomes.outputs.get(&node) else {
            continue;
        };
        let instance = &graph.stages[node];
        text += &format!("{}\n", instance.name);
        match outcomes.key(node) {
            Some(key) => text += &format!("{key}\n"),
            None => text += &format!("{}\n", instance.stage.canonical()),
        }
        let ports = instance.outputs.iter();
        for port in ports.filter(|port| port.yields == ArtifactType::Metrics) {
            text += &format!("{} {:?}\n", port.name, outputs.get(&port.name));
        }
    }
    text += &format!("{:?}\n", experiment.shown());
    for trial in experiment.trials() {
        text += &format!("{} {:?} {:?}\n", trial.number, trial.state, trial.copies);
    }
    Digest::derive(CONTEXT, text.as_bytes())
}
