//! [`Value`]: a value in a column, and how it is shown and sorted.

use std::cmp::Ordering;

use engine::wording;
use serde_json::{Value as Json, json};

use super::entry::name;

/// A value in a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Missing,
    /// A metric without a value, such as precision if nothing was predicted to be positive.
    Undefined,
    Seconds(f64),
    Text(String),
    /// A text, and the number that it is sorted by.
    Quantity(String, f64),
    /// The least and the greatest value of several instances, and their number.
    Numbers {
        low: f64,
        high: f64,
        count: usize,
        /// `true` if it was measured, so that three decimals are enough.
        is_measured: bool,
    },
}

impl Value {
    pub(super) fn of_text(text: Option<&str>) -> Self {
        text.map_or(Self::Missing, |text| Self::Text(text.to_owned()))
    }

    /// A number if the text is one.
    pub(super) fn parsed(text: &str) -> Self {
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Self::Quantity(text.to_owned(), number),
            _ => Self::Text(text.to_owned()),
        }
    }

    pub(super) fn of_numbers(numbers: &[f64], is_measured: bool) -> Self {
        Self::Numbers {
            low: numbers.iter().copied().fold(f64::INFINITY, f64::min),
            high: numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            count: numbers.len(),
            is_measured,
        }
    }

    pub(super) fn is_number_or_missing(&self) -> bool {
        !matches!(self, Self::Text(_))
    }

    /// The value for display, on one line: `0.765 to 0.921` for several instances.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Missing => "-".to_owned(),
            Self::Undefined => "undefined".to_owned(),
            Self::Seconds(seconds) => wording::duration(*seconds),
            Self::Text(text) | Self::Quantity(text, _) => name(text),
            Self::Numbers {
                low,
                high,
                is_measured,
                ..
            } => {
                let text = |number: f64| match is_measured {
                    true => wording::measured(number),
                    false => wording::exact(number),
                };
                match low == high {
                    true => text(*low),
                    false => format!("{} to {}", text(*low), text(*high)),
                }
            }
        }
    }

    /// The least and the greatest value in full precision. Both are the same unless there are several instances with
    /// different values, and empty if the value is missing or undefined.
    pub(super) fn exact(&self) -> [String; 2] {
        match self {
            Self::Missing | Self::Undefined => Default::default(),
            Self::Text(text) | Self::Quantity(text, _) => [text.clone(), text.clone()],
            Self::Seconds(seconds) => [*seconds, *seconds].map(wording::exact),
            Self::Numbers { low, high, .. } => [*low, *high].map(wording::exact),
        }
    }

    pub(super) fn json(&self) -> Json {
        match self {
            Self::Missing | Self::Undefined => Json::Null,
            Self::Seconds(seconds) => json!(seconds),
            Self::Text(text) => json!(text),
            Self::Quantity(_, number) => json!(number),
            Self::Numbers { low, high, .. } if low == high => json!(low),
            Self::Numbers {
                low, high, count, ..
            } => json!({ "low": low, "high": high, "count": count }),
        }
    }

    /// The key to sort by. Missing and undefined values come last in both directions, and numbers come before texts if
    /// the least value comes first. Of several instances, the greatest value counts if the greatest comes first, and
    /// the least otherwise.
    pub(super) fn key(&self, is_descending: bool) -> SortKey {
        let number = |number: f64| SortKey::Number(if is_descending { -number } else { number });
        match self {
            Self::Missing | Self::Undefined => SortKey::Missing,
            Self::Seconds(seconds) => number(*seconds),
            Self::Text(text) => SortKey::Text(text.clone(), is_descending),
            Self::Quantity(_, value) => number(*value),
            Self::Numbers { low, high, .. } => number(if is_descending { *high } else { *low }),
        }
    }
}

/// See [`Value::key`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SortKey {
    Number(f64),
    /// A text, and whether the greatest comes first.
    Text(String, bool),
    Missing,
}

impl Eq for SortKey {}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a, false), Self::Text(b, _)) => a.cmp(b),
            (Self::Text(a, true), Self::Text(b, _)) => b.cmp(a),
            (Self::Missing, Self::Missing) => Ordering::Equal,
            (Self::Number(_), _) | (Self::Text(..), Self::Missing) => Ordering::Less,
            (_, Self::Number(_)) | (Self::Missing, Self::Text(..)) => Ordering::Greater,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn missing_values_are_last_in_both_directions() {
        let mut values = [
            Value::Missing,
            Value::of_numbers(&[0.5, 0.9], true),
            Value::parsed("0.7"),
            Value::Text("none".to_owned()),
        ];
        let texts = |values: &[Value]| values.iter().map(Value::text).collect::<Vec<_>>();
        values.sort_by_cached_key(|value| value.key(false));
        assert_eq!(texts(&values), ["0.500 to 0.900", "0.7", "none", "-"]);
        values.sort_by_cached_key(|value| value.key(true));
        assert_eq!(texts(&values), ["0.500 to 0.900", "0.7", "none", "-"]);
        let mut values = [Value::parsed("2"), Value::parsed("10")];
        values.sort_by_cached_key(|value| value.key(true));
        assert_eq!(texts(&values), ["10", "2"]);
    }
}
