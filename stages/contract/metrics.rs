//! Numbers that a stage measures.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// Direction in which a metric improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    Maximize,
    Minimize,
}

/// One measured number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// The value; NaN (`null` in a file) where it is undefined.
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

/// Content of the file `metrics.json` of a metrics artifact.
pub type Metrics = BTreeMap<String, Metric>;

/// Name of the file that holds [`Metrics`].
pub const METRICS_FILE: &str = "metrics.json";

/// Name of the file beside [`METRICS_FILE`] with the history of a training: comma-separated values with a row
/// for each epoch, a column `epoch`, and a column for each measured number, named like the metric.
pub const HISTORY_FILE: &str = "history.csv";
