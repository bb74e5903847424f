//! Time and memory limits and retries of a stage, and the parsers of durations and sizes.

use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;
use jiff::{Span, SpanRelativeTo};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

/// Longest wait before a retry.
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);

/// Largest accepted number of retries.
const MOST_RETRIES: u32 = 100;

/// Limits of each attempt at a stage, and its retries. None of them can change a result.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Longest time that an attempt may take.
    pub timeout: Option<Duration>,
    /// Largest memory that the process may hold, in bytes, not counting mapped files.
    pub memory: Option<u64>,
    pub retries: Option<Retries>,
}

/// Retries, written as `retries: 3` or `retries: { times: 3, backoff: 10s }`.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema)]
#[schemars(from = "WrittenRetries")]
pub struct Retries {
    /// Number of retries, at most 100.
    pub times: u32,
    /// Wait before the first retry. It doubles with each retry, up to five minutes. There is no wait after a timeout.
    pub backoff: Duration,
}

/// Retries as written in a pipeline.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(
    dead_code,
    reason = "exists only for its schema: serde's untagged enums lose the places of errors"
)]
enum WrittenRetries {
    /// Number of retries.
    Times(#[schemars(range(max = MOST_RETRIES))] u32),
    Full(FullRetries),
}

/// Number of retries, and the wait before each.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct FullRetries {
    /// Number of retries.
    #[schemars(range(max = MOST_RETRIES))]
    times: u32,
    /// Wait before the first retry, 1 second by default. It doubles with each retry, up to five minutes. There is
    /// no wait after a timeout.
    #[serde(default, deserialize_with = "duration")]
    #[schemars(schema_with = "duration_schema")]
    backoff: Option<Duration>,
}

impl Retries {
    /// Creates this number of retries, the first after one second.
    pub fn times(times: u32) -> Self {
        Self {
            times,
            backoff: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// Returns these limits, with those of `other` where they are not set.
    pub fn or(self, other: Self) -> Self {
        Self {
            timeout: self.timeout.or(other.timeout),
            memory: self.memory.or(other.memory),
            retries: self.retries.or(other.retries),
        }
    }

    /// Returns the number of retries.
    pub fn retries(&self) -> u32 {
        self.retries.map_or(0, |retries| retries.times)
    }

    /// Returns the wait before the next retry, after this number of retries.
    pub fn backoff(&self, retries: u32) -> Duration {
        let first = self.retries.map_or(Duration::ZERO, |r| r.backoff);
        first
            .saturating_mul(2_u32.saturating_pow(retries))
            .min(LONGEST_BACKOFF)
    }
}

/// Parses a duration above zero: `90s`, `1h 30m`, `30d`. A day has 24 hours, a week seven days.
///
/// # Errors
/// Returns what is expected, as a message in lowercase.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("expected a time such as `90s` or `1h 30m`, found `{text}`");
    check_unit(text, "s")?;
    let span: Span = text.parse().map_err(|_| expected())?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(expected)?;
    if duration.is_zero() {
        return Err(format!("expected a time above zero, found `{text}`"));
    }
    Ok(duration)
}

/// Parses a size above zero, in bytes: `512MiB`, `2GB`.
///
/// # Errors
/// Returns what is expected, as a message in lowercase.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    check_unit(text, "MiB")?;
    let size: ByteSize = text
        .parse()
        .map_err(|_| format!("expected a size such as `512MiB` or `2GB`, found `{text}`"))?;
    if size.as_u64() == 0 {
        return Err(format!("expected a size above zero, found `{text}`"));
    }
    Ok(size.as_u64())
}

/// Refuses a number without a unit, because the unit would be a guess.
fn check_unit(text: &str, unit: &str) -> Result<(), String> {
    let number = text.trim();
    match number.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1e9 => Err(format!(
            "`{number}` has no unit; did you mean `{number}{unit}`?"
        )),
        _ => Ok(()),
    }
}

/// Deserializes a text with `parse`. Numbers are passed to `parse` as well, so that its error says what is
/// missing.
struct Quantity<T> {
    expecting: &'static str,
    parse: fn(&str) -> Result<T, String>,
}

impl<T> Visitor<'_> for Quantity<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }
}

/// Returns the schema of a duration, which matches everything that [`parse_duration`] accepts.
pub(super) fn duration_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^[^-]*[1-9].*[A-Za-z:]",
        "examples": ["90s", "1h 30m", "2d"],
    })
}

/// Returns the schema of a size, which matches everything that [`parse_bytes`] accepts.
pub(super) fn bytes_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^[0-9.]*[1-9][0-9.]* *[A-Za-z]+$",
        "examples": ["512MiB", "4GB"],
    })
}

pub(super) fn duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let quantity = Quantity {
        expecting: "a time such as `90s` or `1h 30m`",
        parse: parse_duration,
    };
    deserializer.deserialize_any(quantity).map(Some)
}

pub(super) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let quantity = Quantity {
        expecting: "a size such as `512MiB` or `2GB`",
        parse: parse_bytes,
    };
    deserializer.deserialize_any(quantity).map(Some)
}

impl<'de> Deserialize<'de> for Retries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let retries = deserializer.deserialize_any(RetriesVisitor)?;
        if retries.times > MOST_RETRIES {
            return Err(D::Error::custom(format!(
                "expected at most {MOST_RETRIES} retries, found {}",
                retries.times
            )));
        }
        Ok(retries)
    }
}

struct RetriesVisitor;

impl<'de> Visitor<'de> for RetriesVisitor {
    type Value = Retries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of retries, or `{ times, backoff }`")
    }

    fn visit_u64<E: Error>(self, times: u64) -> Result<Retries, E> {
        Ok(Retries::times(times.try_into().unwrap_or(u32::MAX)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Retries, A::Error> {
        let written = FullRetries::deserialize(MapAccessDeserializer::new(map))?;
        let retries = Retries::times(written.times);
        Ok(Retries {
            backoff: written.backoff.unwrap_or(retries.backoff),
            ..retries
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read_with_their_units() {
        let seconds = |text| parse_duration(text).map(|d| d.as_secs_f64());
        assert_eq!(seconds("90s"), Ok(90.0));
        assert_eq!(seconds("1.5s"), Ok(1.5));
        assert_eq!(seconds("1h 30m"), Ok(5400.0));
        assert_eq!(seconds("250ms"), Ok(0.25));
        assert_eq!(seconds("30d"), Ok(30.0 * 86_400.0));
        assert_eq!(seconds("2w"), Ok(14.0 * 86_400.0));
        assert_eq!(seconds("1d 12h"), Ok(36.0 * 3600.0));
        for wrong in ["", "0", "0s", "-3s", "soon", "nan", "1e400", "5", "1.5"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_bytes("1000B"), Ok(1000));
        assert_eq!(parse_bytes("512MiB"), Ok(512 << 20));
        assert_eq!(parse_bytes("2 GB"), Ok(2_000_000_000));
        for wrong in ["", "0", "0B", "-1B", "much", "3 parsecs", "4", "1e6"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
        let hint = parse_bytes("4").unwrap_err();
        assert_eq!(hint, "`4` has no unit; did you mean `4MiB`?");
    }

    #[test]
    fn the_backoff_doubles_up_to_five_minutes() {
        let limits = Limits {
            retries: Some(Retries {
                times: 9,
                backoff: Duration::from_secs(2),
            }),
            ..Limits::default()
        };
        let waits = [0, 1, 2, 20].map(|retries| limits.backoff(retries).as_secs());
        assert_eq!(waits, [2, 4, 8, 300]);
    }
}
