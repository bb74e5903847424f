//! Writes the record of a run's metrics.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{METRICS_RECORD, Measured, RunMetrics, gather, pooled, read};
use crate::atomic_file::{self, Flush};
use crate::run::Outcomes;
use crate::sweep::Experiment;
use contract::ArtifactType;
use store::keys::Digest;
use store::{Memo, Store};

const CONTEXT: &str = "runner run metrics identity v1";
/// Prefix of the names of files before they are renamed.
const FRESH: &str = ".tmp-";

/// Maximum number of earlier runs in which metrics are looked for.
const MOST_EARLIER: usize = 16;

/// An earlier run of the same pipeline and profile.
#[derive(Clone, Debug)]
pub struct Previous {
    /// The run's id.
    pub run: String,
    pub metrics: RunMetrics,
}

/// The last records of a pipeline and profile.
#[derive(Serialize, Deserialize)]
struct Last {
    /// Digest of everything that is in the record.
    identity: Digest,
    /// The run whose folder has the record.
    run: String,
    /// The runs before it that recorded something else than the run after them, newest first.
    #[serde(default)]
    earlier: Vec<String>,
}

/// Writes the metrics of a run to its folder. Returns the records to compare it with, newest first: for each headline
/// metric, the newest earlier run that has it is among them. There are none if all results are the same as last time.
///
/// # Errors
/// If the file cannot be written.
pub fn record(
    experiment: &Experiment,
    store: &Store,
    outcomes: &Outcomes<'_>,
    folder: &Path,
) -> io::Result<Vec<Previous>> {
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
        && share(&store.runs_folder().join(&last.run), &file)
    {
        return Ok(Vec::new());
    }
    let metrics = gather(experiment, store, &outcomes.outputs);
    let bytes = store::seal(&metrics)?;
    atomic_file::write(&file, FRESH, Flush::No, |to| to.write_all(&bytes))?;
    if metrics.is_empty() {
        // A run of a part of the pipeline does not replace the metrics to compare with.
        return Ok(Vec::new());
    }
    let is_same = last.as_ref().is_some_and(|last| last.identity == identity);
    let earlier = last.map_or(Vec::new(), |last| match is_same {
        // The run's folder has no record any more.
        true => last.earlier,
        false => std::iter::once(last.run).chain(last.earlier).collect(),
    });
    let earlier = earlier.into_iter().filter(|run| is_name(run));
    let earlier: Vec<String> = earlier.take(MOST_EARLIER).collect();
    let run = folder.file_name().unwrap_or_default().to_string_lossy();
    let new = Last {
        identity,
        run: run.into_owned(),
        earlier,
    };
    if let Err(error) = store.set_memo(memo, &new) {
        tracing::warn!("{error}");
    }
    Ok(match is_same {
        true => Vec::new(),
        false => with_all(&metrics, &new.earlier, |run| {
            read(&store.runs_folder().join(run))
        }),
    })
}

/// Creates `file` as a hard link to the record of the run in `folder`. Returns `false` if that record is missing or
/// damaged, or if there can be no link.
fn share(folder: &Path, file: &Path) -> bool {
    read(folder).is_some() && fs::hard_link(folder.join(METRICS_RECORD), file).is_ok()
}

/// The instance, the port and the name of a metric.
fn place(one: &Measured<'_>) -> [String; 3] {
    [one.instance, one.port, one.name].map(str::to_owned)
}

/// Returns the newest runs that together have the headline metrics of `now`, as far as earlier runs have them. A run
/// without a readable record is skipped.
fn with_all(
    now: &RunMetrics,
    earlier: &[String],
    read: impl Fn(&str) -> Option<RunMetrics>,
) -> Vec<Previous> {
    let shown = now.shown();
    let all = pooled(&shown);
    let defined = all.iter().filter(|one| one.mean().is_some());
    let mut missing: HashSet<[String; 3]> = defined
        .filter(|one| one.headline.is_some())
        .map(place)
        .collect();
    let mut found = Vec::new();
    for run in earlier {
        if missing.is_empty() {
            break;
        }
        let Some(metrics) = read(run) else {
            continue;
        };
        let count = missing.len();
        for one in pooled(&metrics.shown()) {
            if one.mean().is_some() {
                missing.remove(&place(&one));
            }
        }
        if missing.len() < count {
            let run = run.clone();
            found.push(Previous { run, metrics });
        }
    }
    found
}

/// Returns `true` if the name of a run leads to a folder among those of the runs.
fn is_name(run: &str) -> bool {
    store::component(run) == run
}

/// Digest of what determines the record: the instances with their identities and metrics, and the trials.
fn identity(experiment: &Experiment, outcomes: &Outcomes<'_>) -> Digest {
    let graph = experiment.graph();
    let mut bytes = Vec::new();
    for &node in &graph.order {
        let Some(outputs) = outcomes.outputs.get(&node) else {
            continue;
        };
        let instance = &graph.stages[node];
        let labels = instance.name.axes.iter().chain(&instance.name.copy);
        let texts = labels.flat_map(|(axis, value)| [axis.as_str(), value.as_str()]);
        for text in std::iter::once(instance.name.stage.as_str()).chain(texts) {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
        match outcomes.key(node) {
            Some(key) => bytes.extend_from_slice(key.to_string().as_bytes()),
            None => bytes.extend_from_slice(instance.stage.canonical().to_string().as_bytes()),
        }
        for port in instance.outputs.iter() {
            if port.yields != ArtifactType::Metrics {
                continue;
            }
            bytes.extend_from_slice(port.name.as_bytes());
            bytes.push(0);
            if let Some(digest) = outputs.get(&port.name) {
                bytes.extend_from_slice(digest.as_bytes());
            }
            // The units and headlines of a program are in no key, but in the record.
            let declared = instance
                .kind
                .declares_ports
                .then(|| instance.metrics(&port.name));
            for info in declared.flatten().iter().flat_map(|infos| infos.iter()) {
                let unit = info.unit.as_deref().unwrap_or_default();
                bytes.extend_from_slice(format!("{unit}\0{}", info.headline).as_bytes());
            }
        }
        bytes.push(1);
    }
    bytes.extend_from_slice(format!("{:?}", experiment.shown()).as_bytes());
    for trial in experiment.trials() {
        let trial = format!("{} {:?} {:?}\n", trial.number, trial.state, trial.copies);
        bytes.extend_from_slice(trial.as_bytes());
    }
    Digest::derive(CONTEXT, &bytes)
}
