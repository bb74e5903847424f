//! Numbers that a stage measures.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::over::Over;

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
    /// Sources of variation that the interval covers; `None` without an interval, or if it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Over>,
    /// Number of resamples that the interval leaves out, because the metric is undefined for them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resamples_left_out: usize,
    /// `true` if the metric has the same value for all resamples, as a share of 1 does. Their percentiles are then no
    /// interval: `interval` is Wilson's if the metric is a share of independent images, and otherwise `None`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub resamples_agree: bool,
    /// `None` (absent in a file) if the metric is neutral: neither higher nor lower values are better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The class that the metric is of, such as the positive class of `f1`; `None` if it covers all classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
}

impl Metric {
    /// Creates a metric of all classes, without an interval.
    pub fn new(value: f64, direction: Option<Direction>) -> Self {
        Self {
            value,
            interval: None,
            over: None,
            resamples_left_out: 0,
            resamples_agree: false,
            direction,
            of: None,
        }
    }
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn is_false(value: &bool) -> bool {
    !value
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

/// Name of the file beside [`METRICS_FILE`] with the confusion matrix of an evaluation: an object whose field `pixels`
/// is a checksum of the images.
pub const CONFUSION_FILE: &str = "confusion.json";

#[cfg(test)]
mod tests {
    use super::{Direction, Metric};

    #[test]
    fn an_undefined_value_is_null_and_a_neutral_metric_has_no_direction() {
        let neutral = Metric::new(3.0, None);
        let undefined = Metric::new(f64::NAN, Some(Direction::Maximize));
        assert_eq!(serde_json::to_string(&neutral).unwrap(), r#"{"value":3.0}"#);
        let text = serde_json::to_string(&undefined).unwrap();
        assert_eq!(text, r#"{"value":null,"direction":"maximize"}"#);
        let read: Metric = serde_json::from_str(&text).unwrap();
        assert!(read.value.is_nan() && read.direction == undefined.direction);
    }

    #[test]
    fn files_of_earlier_versions_are_read() {
        let text = r#"{"value":0.5,"interval":[0.4,0.6],"direction":"minimize"}"#;
        let expected = Metric {
            interval: Some([0.4, 0.6]),
            ..Metric::new(0.5, Some(Direction::Minimize))
        };
        assert_eq!(serde_json::from_str::<Metric>(text).unwrap(), expected);
    }
}
