//! Parameters, metrics and tags, within the limits of MLflow.

use std::collections::BTreeMap;

use engine::error::Error;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::client::Client;
use crate::names::{Distinct, cut};
use crate::record::Instance;

/// Limits of MLflow's API. Lengths are in characters.
const LONGEST_KEY: usize = 250;
const LONGEST_PARAM: usize = 6000;
/// Servers before 2.10 accept no longer tags.
const LONGEST_TAG: usize = 5000;
const PARAMS_PER_BATCH: usize = 100;
const METRICS_PER_BATCH: usize = 1000;
/// A request may have 1 MB. Characters take up to six bytes in JSON.
const BYTES_PER_BATCH: usize = 800_000;

/// Converts a name to a key: brackets become dots (`recall.NORMAL`), and characters that MLflow does not accept become
/// `_`.
pub(super) fn key(name: &str) -> String {
    let name = name.replace("].", ".").replace(']', "").replace('[', ".");
    let accepted = |char: char| char.is_ascii_alphanumeric() || "_-. ".contains(char);
    let mut key: String = name
        .chars()
        .map(|char| if accepted(char) { char } else { '_' })
        .take(LONGEST_KEY - 20)
        .collect();
    // MLflow refuses keys that would lead elsewhere if they were names of files.
    if key.is_empty() || key.starts_with('.') {
        key.insert(0, '_');
    }
    key
}

/// Tags of a run.
#[derive(Default)]
pub(super) struct Tags(Vec<Value>);

impl Tags {
    pub(super) fn add(&mut self, key: &str, value: impl AsRef<str>) {
        let value = cut(value.as_ref(), LONGEST_TAG);
        self.0.push(json!({ "key": key, "value": value }));
    }

    /// Adds a tag if there is a value.
    pub(super) fn add_known<T: ToString>(&mut self, key: &str, value: Option<T>) {
        if let Some(value) = value {
            self.add(key, value.to_string());
        }
    }

    pub(super) fn into_value(self) -> Value {
        Value::Array(self.0)
    }
}

/// Parameters and metrics of a run.
#[derive(Default)]
pub(super) struct Entries {
    params: Vec<Value>,
    metrics: Vec<Value>,
    param_keys: Distinct,
    metric_keys: Distinct,
}

impl Entries {
    pub(super) fn add_param(&mut self, name: &str, value: &Value) {
        let value = cut(&crate::params::text(value), LONGEST_PARAM);
        let key = self.param_keys.take(key(name));
        self.params.push(json!({ "key": key, "value": value }));
    }

    pub(super) fn add_params(&mut self, params: &BTreeMap<String, Value>) {
        for (name, value) in params {
            self.add_param(name, value);
        }
    }

    /// Adds a finite value.
    pub(super) fn add_metric(&mut self, name: &str, value: f64, time: Timestamp) {
        let key = self.metric_keys.take(key(name));
        self.push(&key, value, time, 0);
    }

    /// Adds the metrics and curves of an instance.
    pub(super) fn add_measured(&mut self, instance: &Instance, time: Timestamp) {
        for (name, metric) in &instance.metrics {
            self.add_metric(name, metric.value, time);
            for (value, end) in metric.interval.into_iter().flatten().zip(["low", "high"]) {
                if value.is_finite() {
                    self.add_metric(&format!("{name}.{end}"), value, time);
                }
            }
        }
        for curve in &instance.curves {
            let key = format!("epochs/{}", key(&curve.name));
            let key = self.metric_keys.take(key);
            for &(epoch, value) in &curve.points {
                self.push(&key, value, time, epoch);
            }
        }
    }

    fn push(&mut self, key: &str, value: f64, time: Timestamp, step: u64) {
        let time = time.as_millisecond();
        let metric = json!({ "key": key, "value": value, "timestamp": time, "step": step });
        self.metrics.push(metric);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.params.is_empty() && self.metrics.is_empty()
    }

    /// Sends everything, in as many requests as needed.
    pub(super) fn send(self, client: &Client, run: &str) -> Result<(), Error> {
        for (what, entries, most) in [
            ("params", self.params, PARAMS_PER_BATCH),
            ("metrics", self.metrics, METRICS_PER_BATCH),
        ] {
            for batch in batches(entries, most) {
                client.post("runs/log-batch", &json!({ "run_id": run, what: batch }))?;
            }
        }
        Ok(())
    }
}

/// Divides entries into batches with at most `most` of them, each within the size of a request.
fn batches(entries: Vec<Value>, most: usize) -> Vec<Vec<Value>> {
    let mut batches: Vec<Vec<Value>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let size = entry.to_string().len() + 1;
        match batches.last_mut() {
            Some(batch) if batch.len() < most && bytes + size <= BYTES_PER_BATCH => {
                batch.push(entry);
                bytes += size;
            }
            _ => {
                batches.push(vec![entry]);
                bytes = size;
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_only_characters_that_mlflow_accepts() {
        let cases = [
            ("f1", "f1"),
            ("recall[NORMAL]", "recall.NORMAL"),
            ("gan[a,b].epochs", "gan.a_b.epochs"),
            ("a/../b:c%é", "a_.._b_c__"),
            ("../x", "_.._x"),
            ("", "_"),
        ];
        for (name, expected) in cases {
            assert_eq!(key(name), expected);
        }
        assert!(key(&"x".repeat(1000)).len() < LONGEST_KEY);
    }

    #[test]
    fn batches_stay_within_the_limits() {
        let sizes = |entries: Vec<Value>, most| -> Vec<usize> {
            batches(entries, most).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(vec![json!(1); 250], 100), [100, 100, 50]);
        assert_eq!(
            sizes(vec![json!("\u{1}".repeat(100_000)); 3], 100),
            [1, 1, 1]
        );
        assert_eq!(sizes(Vec::new(), 100), [0; 0]);
    }

    #[test]
    fn names_that_become_equal_stay_apart() {
        let mut entries = Entries::default();
        entries.add_param("a:b", &json!(1));
        entries.add_param("a/b", &json!("x".repeat(7000)));
        let keys: Vec<&Value> = entries.params.iter().map(|param| &param["key"]).collect();
        assert_eq!(keys, ["a_b", "a_b-2"]);
        let value = entries.params[1]["value"].as_str().unwrap();
        assert_eq!(value.chars().count(), LONGEST_PARAM);
    }
}
