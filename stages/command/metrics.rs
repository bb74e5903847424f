//! The metrics that a program writes.

use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::contract::{Direction, Failure, Folder, Metric, Metrics};

/// Largest file of metrics, in bytes.
const MOST: u64 = 16 << 20;

/// A number with all that tables want of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    value: f64,
    interval: Option<[f64; 2]>,
    direction: Option<Direction>,
}

/// Reads a JSON object: `{"f1": 0.9}`, `{"f1": {"value": 0.9, "interval": [0.8, 1.0]}}`, or objects of
/// these, whose names become `train.f1`. `name` is the file's path in `scratch`.
///
/// A number is better the larger it is, unless its `direction` says `minimize`.
pub fn read(scratch: &Folder, name: &Path) -> Result<Metrics, Failure> {
    let wrong = |why: String| Failure::Data(format!("the metrics in `{}` {why}", name.display()));
    let unread = |e: io::Error| wrong(format!("cannot be read: {e}"));
    let file = scratch.file(name).map_err(unread)?;
    let mut bytes = Vec::new();
    file.take(MOST + 1)
        .read_to_end(&mut bytes)
        .map_err(unread)?;
    if bytes.len() as u64 > MOST {
        return Err(wrong(format!("are larger than {} MiB", MOST >> 20)));
    }
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|e| wrong(format!("are not JSON: {e}")))?;
    let mut metrics = Metrics::new();
    if !value.is_object() {
        return Err(wrong("are no JSON object of numbers".to_owned()));
    }
    add(String::new(), &value, &mut metrics).map_err(wrong)?;
    Ok(metrics)
}

fn add(name: String, value: &Value, metrics: &mut Metrics) -> Result<(), String> {
    let metric = match value {
        Value::Number(number) => Written {
            value: number.as_f64().unwrap_or(f64::NAN),
            interval: None,
            direction: None,
        },
        Value::Object(entries) if entries.contains_key("value") && !name.is_empty() => {
            Written::deserialize(value).map_err(|e| format!("have a `{name}` that is none: {e}"))?
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                let name = match name.as_str() {
                    "" => key.clone(),
                    name => format!("{name}.{key}"),
                };
                add(name, value, metrics)?;
            }
            return Ok(());
        }
        _ => return Err(format!("have a `{name}` that is no number")),
    };
    metrics.insert(
        name,
        Metric {
            value: metric.value,
            interval: metric.interval,
            direction: metric.direction.unwrap_or(Direction::Maximize),
        },
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<Vec<(String, Metric)>, String> {
        let mut metrics = Metrics::new();
        add(String::new(), value, &mut metrics)?;
        Ok(metrics.into_iter().collect())
    }

    #[test]
    fn numbers_and_objects_of_numbers_are_metrics() {
        let read = read(&json!({
            "f1": 0.5,
            "train": { "loss": { "value": 2, "interval": [1, 3], "direction": "minimize" } },
        }));
        let metric = |value, interval, direction| Metric {
            value,
            interval,
            direction,
        };
        assert_eq!(
            read.unwrap(),
            [
                ("f1".to_owned(), metric(0.5, None, Direction::Maximize)),
                (
                    "train.loss".to_owned(),
                    metric(2.0, Some([1.0, 3.0]), Direction::Minimize)
                ),
            ]
        );
    }

    #[test]
    fn what_is_no_number_is_refused_by_name() {
        let error = |value| read(&value).unwrap_err();
        assert_eq!(
            error(json!({ "f1": "0.5" })),
            "have a `f1` that is no number"
        );
        assert_eq!(
            error(json!({ "a": { "b": null } })),
            "have a `a.b` that is no number"
        );
        assert!(error(json!({ "f1": { "value": 1, "better": "up" } })).contains("unknown field"));
    }
}
