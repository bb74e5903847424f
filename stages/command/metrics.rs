//! Reads the metrics that a program writes.

use std::io::{self, Read};
use std::path::Path;

use contract::{Direction, Failure, Folder, Metric, Metrics, ShowPath};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::distinct::{self, Distinct};

/// Size limit of a file of metrics, in bytes.
const MOST: u64 = 16 << 20;

/// Placeholder for a bare `NaN`, `Infinity` or `-Infinity`, which Python writes but JSON does not allow.
const UNDEFINED: &str = "\u{e000}";
const TOKENS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];

/// Maximum number of metrics that a warning names.
const NAMED: usize = 3;

/// Metrics that a program wrote.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub metrics: Metrics,
    /// Metrics with a value whose interval was left out, because one of its ends is undefined.
    without_interval: Vec<String>,
}

/// A metric in its long form: a number with optional interval and direction.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LongForm {
    #[serde(deserialize_with = "number")]
    value: f64,
    interval: Option<[Number; 2]>,
    direction: Option<Direction>,
    /// The class that the value is of.
    of: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
struct Number(#[serde(deserialize_with = "number")] f64);

/// Decodes a number. The placeholder becomes NaN.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    number_of(&value).ok_or_else(|| D::Error::custom(format!("`{value}` is not a number")))
}

fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => Some(number.as_f64().unwrap_or(f64::NAN)),
        Value::Null => Some(f64::NAN),
        Value::String(text) if text == UNDEFINED => Some(f64::NAN),
        _ => None,
    }
}

/// Replaces the tokens that JSON does not allow with the placeholder, as a string.
fn as_json(text: &[u8]) -> Vec<u8> {
    let mut json = Vec::with_capacity(text.len());
    let (mut rest, mut in_string) = (text, false);
    while let [byte, after @ ..] = rest {
        if !in_string && let Some(token) = TOKENS.iter().find(|token| rest.starts_with(token)) {
            json.push(b'"');
            json.extend_from_slice(UNDEFINED.as_bytes());
            json.push(b'"');
            rest = &rest[token.len()..];
            continue;
        }
        json.push(*byte);
        rest = after;
        if *byte == b'"' {
            in_string = !in_string;
        } else if *byte == b'\\'
            && in_string
            && let [escaped, after @ ..] = rest
        {
            json.push(*escaped);
            rest = after;
        }
    }
    json
}

impl Written {
    /// Returns warnings that name the metrics without a value, and those whose interval was left out.
    pub(super) fn warnings(&self) -> Vec<String> {
        let undefined = self.metrics.iter();
        let undefined = undefined.filter(|(_, metric)| !metric.value.is_finite());
        let undefined: Vec<&str> = undefined.map(|(name, _)| name.as_str()).collect();
        let unbounded: Vec<&str> = self.without_interval.iter().map(String::as_str).collect();
        let about = [
            (
                "metrics that are NaN, infinite or null are recorded as undefined",
                undefined,
            ),
            (
                "intervals with an end that is NaN, infinite or null are left out",
                unbounded,
            ),
        ];
        let about = about.into_iter().filter(|(_, names)| !names.is_empty());
        about
            .map(|(what, names)| format!("{what}: {}", listed(&names)))
            .collect()
    }
}

/// Lists the first few of some names, and the number of the others.
fn listed(names: &[&str]) -> String {
    let first = names.iter().take(NAMED);
    let first: Vec<String> = first.map(|name| format!("`{name}`")).collect();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    first.join(", ") + &more
}

/// Returns the error about a file of metrics. `why` begins with a verb: `are not JSON`.
pub(super) fn wrong(name: &Path, why: &str) -> Failure {
    Failure::Data(format!("the metrics in `{}` {why}", name.shown()))
}

/// Reads metrics from a JSON object: `{"f1": 0.9}`, `{"f1": {"value": 0.9, "interval": [0.8, 1.0]}}`, or a nested
/// object such as `{"train": {"f1": 0.9}}`, which contains the metric `train.f1`. `name` is the file's path in
/// `scratch`.
///
/// Neither higher nor lower numbers are better, unless there is a `direction`. `null`, `NaN`, `Infinity` and
/// `-Infinity` are read as NaN. An interval that contains one of them is left out.
pub(super) fn read(scratch: &Folder, name: &Path) -> Result<Written, Failure> {
    let wrong = |why: String| wrong(name, &why);
    let unread = |e: io::Error| wrong(format!("cannot be read: {e}"));
    let file = scratch.file(name).map_err(unread)?;
    let mut bytes = Vec::new();
    file.take(MOST + 1)
        .read_to_end(&mut bytes)
        .map_err(unread)?;
    if bytes.len() as u64 > MOST {
        return Err(wrong(format!("are larger than {} MiB", MOST >> 20)));
    }
    let Distinct(value) =
        serde_json::from_slice(&as_json(&bytes)).map_err(|e| wrong(unread_json(&e)))?;
    let mut written = Written::default();
    if !value.is_object() {
        return Err(wrong("are not a JSON object of numbers".to_owned()));
    }
    add(String::new(), &value, &mut written).map_err(wrong)?;
    Ok(written)
}

/// Says why a text could not be read as JSON.
fn unread_json(error: &serde_json::Error) -> String {
    /// Beginning of the error about a number that JSON allows, but that does not fit into 64 bits.
    const TOO_LARGE: &str = "number out of range";
    let why = error.to_string();
    if why.starts_with(TOO_LARGE) {
        return format!(
            "contain a number beyond ±1.8e308 at line {} column {}; write `null` for a metric that is undefined",
            error.line(),
            error.column()
        );
    }
    match why.starts_with(distinct::TWICE) {
        true => format!("{why}; keep one of them"),
        false => format!("are not JSON: {why}"),
    }
}

fn add(name: String, value: &Value, written: &mut Written) -> Result<(), String> {
    let metric = match value {
        Value::Null | Value::Number(_) | Value::String(_) => LongForm {
            value: number_of(value)
                .ok_or_else(|| format!("contain `{name}`, which is not a number"))?,
            interval: None,
            direction: None,
            of: None,
        },
        Value::Object(entries) if entries.contains_key("value") && !name.is_empty() => {
            LongForm::deserialize(value)
                .map_err(|e| format!("contain `{name}`, which is not a metric: {e}"))?
        }
        Value::Object(entries) => {
            if let Some(key) = misspelled_value(entries).filter(|_| !name.is_empty()) {
                return Err(format!(
                    "contain `{name}` with the key `{key}`; did you mean `value`?"
                ));
            }
            for (key, value) in entries {
                let name = match name.as_str() {
                    "" => key.clone(),
                    name => format!("{name}.{key}"),
                };
                add(name, value, written)?;
            }
            return Ok(());
        }
        _ => return Err(format!("contain `{name}`, which is not a number")),
    };
    let interval = metric.interval.map(|ends| ends.map(|Number(end)| end));
    let interval = match interval {
        Some(ends) if ends.iter().all(|end| end.is_finite()) => {
            check_interval(&name, metric.value, ends)?;
            Some(ends)
        }
        Some(_) => {
            // The value itself has a warning if it is undefined.
            if metric.value.is_finite() {
                written.without_interval.push(name.clone());
            }
            None
        }
        None => None,
    };
    written.metrics.insert(
        name,
        Metric {
            of: metric.of,
            interval,
            ..Metric::new(metric.value, metric.direction)
        },
    );
    Ok(())
}

/// Returns the key that was probably meant as `value`, if an object has nothing else but the other keys of a metric.
fn misspelled_value(entries: &Map<String, Value>) -> Option<&str> {
    const OTHERS: [&str; 3] = ["interval", "direction", "of"];
    let keys = entries.keys().map(String::as_str);
    let mut unknown = keys.filter(|key| !OTHERS.contains(key));
    let key = unknown.next()?;
    let is_near = strsim::osa_distance(&key.to_lowercase(), "value") <= 1;
    (is_near && unknown.next().is_none()).then_some(key)
}

/// Returns an error if the ends of an interval are in the wrong order, or if its value is undefined or not between
/// them.
fn check_interval(name: &str, value: f64, [low, high]: [f64; 2]) -> Result<(), String> {
    /// Distance that counts as rounding, relative to the larger end.
    const ROUNDING: f64 = 1e-6;
    if low > high {
        return Err(format!(
            "contain the interval [{low}, {high}] of `{name}`, whose lower end is above the upper one; write \
             [{high}, {low}]"
        ));
    }
    if !value.is_finite() {
        return Err(format!(
            "contain the interval [{low}, {high}] of `{name}`, whose value is undefined; leave out the interval"
        ));
    }
    let slack = ROUNDING * low.abs().max(high.abs());
    if !(low - slack..=high + slack).contains(&value) {
        return Err(format!(
            "contain the interval [{low}, {high}] of `{name}`, which does not contain its value {value}; write the ends \
             of the interval, not their distances from the value"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<Vec<(String, Metric)>, String> {
        Ok(written(value)?.metrics.into_iter().collect())
    }

    fn written(value: &Value) -> Result<Written, String> {
        let mut written = Written::default();
        add(String::new(), value, &mut written)?;
        Ok(written)
    }

    #[test]
    fn numbers_and_objects_of_numbers_are_metrics() {
        let read = read(&json!({
            "f1": 0.5,
            "train": { "loss": { "value": 2, "interval": [1, 3], "direction": "minimize" } },
        }));
        let metric = |value, interval, direction| Metric {
            interval,
            ..Metric::new(value, direction)
        };
        assert_eq!(
            read.unwrap(),
            [
                ("f1".to_owned(), metric(0.5, None, None)),
                (
                    "train.loss".to_owned(),
                    metric(2.0, Some([1.0, 3.0]), Some(Direction::Minimize))
                ),
            ]
        );
    }

    #[test]
    fn nan_and_infinity_as_python_writes_them_are_undefined() {
        let text =
            br#"{"a": NaN, "c": null, "b": {"value": -Infinity, "interval": [0, Infinity]}, "NaN \" NaN": 1}"#;
        let value = serde_json::from_slice(&as_json(text)).unwrap();
        let read = read(&value).unwrap();
        let names: Vec<&str> = read.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["NaN \" NaN", "a", "b", "c"]);
        assert_eq!(read[0].1.value, 1.0);
        assert!(read[1].1.value.is_nan() && read[2].1.value.is_nan());
        assert!(read[3].1.value.is_nan());
        assert_eq!(read[2].1.interval, None);
    }

    #[test]
    fn undefined_values_and_intervals_that_are_left_out_are_warnings() {
        let half = |interval: Value| json!({ "value": 0.5, "interval": interval });
        let all = json!({
            "a": null, "b": 1, "c": half(json!([null, 0.6])), "d": { "value": null, "interval": [null, 1] },
        });
        let written = written(&all).unwrap();
        assert_eq!(
            written.warnings(),
            [
                "metrics that are NaN, infinite or null are recorded as undefined: `a`, `d`",
                "intervals with an end that is NaN, infinite or null are left out: `c`",
            ]
        );
        assert_eq!(written.metrics["c"], Metric::new(0.5, None));
    }

    #[test]
    fn a_misspelled_value_is_not_a_nested_metric() {
        let error = |value| read(&value).unwrap_err();
        for key in ["valeu", "vale", "values", "Value"] {
            assert_eq!(
                error(json!({ "x": { key: 0.5, "interval": [0, 1] } })),
                format!("contain `x` with the key `{key}`; did you mean `value`?")
            );
        }
        for nested in [
            json!({ "x": { "val": 0.5 } }),
            json!({ "x": { "values": 1, "train": 2 } }),
            json!({ "values": 1 }),
        ] {
            assert!(read(&nested).is_ok(), "{nested}");
        }
    }

    #[test]
    fn a_key_that_is_there_twice_is_refused() {
        let error = |text: &str| unread_json(&serde_json::from_str::<Distinct>(text).unwrap_err());
        let twice = error("{\"a\": 1,\n \"a\": 2}");
        let expected = "contain the key `a` twice at line 2 column ";
        assert!(twice.starts_with(expected), "{twice}");
        assert!(twice.ends_with("; keep one of them"), "{twice}");
        assert!(error("{\"a\": {\"b\": 1, \"b\": 1}}").starts_with("contain the key `b` twice"));
    }

    #[test]
    fn a_number_that_is_too_large_is_not_called_invalid_json() {
        let error = |text: &str| unread_json(&serde_json::from_str::<Value>(text).unwrap_err());
        assert_eq!(
            error("{\"a\": 1,\n \"b\": 1e999}"),
            "contain a number beyond ±1.8e308 at line 2 column 11; write `null` for a metric that is undefined"
        );
        assert!(error("{\"a\": }").starts_with("are not JSON: "));
    }

    #[test]
    fn a_value_that_is_not_a_number_is_refused_by_name() {
        let error = |value| read(&value).unwrap_err();
        assert_eq!(
            error(json!({ "f1": "0.5" })),
            "contain `f1`, which is not a number"
        );
        assert_eq!(
            error(json!({ "a": { "b": [] } })),
            "contain `a.b`, which is not a number"
        );
        assert_eq!(
            error(json!({ "f1": { "value": 0.5, "interval": [0.9, 0.1] } })),
            "contain the interval [0.9, 0.1] of `f1`, whose lower end is above the upper one; write [0.1, 0.9]"
        );
        assert_eq!(
            error(json!({ "f1": { "value": 0.5, "interval": [0.04, 0.06] } })),
            "contain the interval [0.04, 0.06] of `f1`, which does not contain its value 0.5; write the ends of the \
             interval, not their distances from the value"
        );
        assert_eq!(
            error(json!({ "f1": { "value": null, "interval": [0, 1] } })),
            "contain the interval [0, 1] of `f1`, whose value is undefined; leave out the interval"
        );
        // Rounded ends.
        for value in [json!(0.3), json!(0.299_999_99)] {
            let rounded = json!({ "f1": { "value": value, "interval": [0.3, 0.4] } });
            assert!(read(&rounded).is_ok(), "{rounded}");
        }
        assert!(error(json!({ "f1": { "value": 1, "better": "up" } })).contains("unknown field"));
    }
}
