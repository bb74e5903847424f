//! Numbers that a stage measures.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    Maximize,
    Minimize,
}

/// One number of a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// NaN, `null` in a file, where it is undefined.
    #[serde(deserialize_with = "null_is_nan")]
    pub value: f64,
    /// A 95 % interval, `[low, high]`, where one was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    pub direction: Direction,
}

fn null_is_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// The content of a metrics artifact's `metrics.json`.
pub type Metrics = BTreeMap<String, Metric>;

/// Name of the file that holds [`Metrics`].
pub const METRICS_FILE: &str = "metrics.json";

/// Name of the file beside [`METRICS_FILE`] in which a training tells of each epoch: comma-separated values,
/// with a column `epoch` and one for each figure, named as the metric.
pub const HISTORY_FILE: &str = "history.csv";
