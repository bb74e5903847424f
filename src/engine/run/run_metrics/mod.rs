//! [`RunMetrics`]: the metrics and parameters of a run, recorded in its folder.
//!
//! The record outlives the results: `cache gc` removes outputs, but keeps the records of runs. It is written at the end
//! of a run, also of a failed one. A run that was killed before that, and runs from before this record existed, have
//! none; [`recall`] then reads what the store still has.
//!
//! A run with the same results as the last one gets a hard link to its record, so repeated runs cost neither time nor
//! space.

mod gather;
mod headline;
mod recall;
mod record;
mod units;
mod value;

use std::collections::BTreeMap;
use std::path::Path;

use contract::{Metric, Metrics, ShowPath};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::gather::{Headlines, gather, headline_means, headlines};
pub use self::recall::{of_run, recall};
pub use self::record::{Previous, record};
pub use self::value::{Measured, Pooled, pooled};

/// Name of the file with [`RunMetrics`] in a run's folder.
pub const METRICS_RECORD: &str = "metrics.json";

/// Metrics and parameters of all instances of a run that have outputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunMetrics {
    /// Instances in the order of the graph.
    pub instances: Vec<InstanceMetrics>,
    /// Indices of the instances that stand for the run: those of all seeds, or of the best trial of a sweep.
    pub shown: Vec<usize>,
    /// The trials of a sweep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<TrialMetrics>,
}

/// An instance of a stage with its parameters and metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceMetrics {
    /// The instance: `evaluate[model1,seed=43]`.
    pub name: String,
    /// Its name within one copy of the pipeline: `evaluate[model1]`.
    pub in_copy: String,
    /// `evaluate`
    pub stage: String,
    /// Parameters that are numbers, booleans or text, by path: `source.phantom.images`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Value>,
    /// The output ports with metrics, in the order of the stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortMetrics>,
}

/// The metrics on an output port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PortMetrics {
    pub port: String,
    /// Names of the metrics to show first, most important first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headline: Vec<String>,
    /// Units by the name of the metric, of those that declare one. Records of earlier versions do not have them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, String>,
    /// `true` if it reports on a training, so that it is shown only if nothing else was measured.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_secondary: bool,
    /// Checksum of the images that an evaluation tested. Records of earlier versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<String>,
    pub metrics: Metrics,
}

/// A trial of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialMetrics {
    /// Counted from 1.
    pub number: usize,
    /// Axes and values.
    pub values: Vec<(String, String)>,
    /// `finished`, `stopped early`, `failed`, …
    pub state: String,
    /// Indices of the instances of all its seeds.
    pub instances: Vec<usize>,
}

/// Reads the record of the run in `folder`; `None` if it is missing, is damaged or cannot be read.
pub fn read(folder: &Path) -> Option<RunMetrics> {
    let file = folder.join(METRICS_RECORD);
    match store::read_file(&file) {
        Ok(store::Found::Bytes(bytes)) => store::unseal(&bytes)
            .inspect_err(|error| tracing::warn!("`{}` is damaged: {error}", file.shown()))
            .ok(),
        Ok(store::Found::Missing | store::Found::Foreign) => None,
        Err(error) => {
            tracing::warn!("failed to read `{}`: {error}", file.shown());
            None
        }
    }
}

impl RunMetrics {
    /// The instances that stand for the run.
    pub fn shown(&self) -> Vec<&InstanceMetrics> {
        self.at(&self.shown)
    }

    /// The instances with these indices. Indices that do not exist are skipped.
    pub fn at(&self, indices: &[usize]) -> Vec<&InstanceMetrics> {
        let instances = indices.iter();
        instances
            .filter_map(|&index| self.instances.get(index))
            .collect()
    }

    /// Returns `true` if nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.instances.iter().all(|one| one.ports.is_empty())
    }
}

impl InstanceMetrics {
    /// Finds a metric: `f1`, or `history.loss` on another port than the first.
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        let first = self.ports.first();
        let of_first = first.and_then(|port| port.metrics.get(name));
        of_first.or_else(|| {
            let mut ports = self.ports.iter();
            ports.find_map(|port| {
                let name = name.strip_prefix(port.port.as_str())?.strip_prefix('.')?;
                port.metrics.get(name)
            })
        })
    }
}
