//! [`Domain`]: the coordinates of an axis, which are listed choices or numbers between bounds.

mod bounds;
mod line;

#[cfg(test)]
mod tests;

pub use bounds::Invalid;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// Position of a point on one axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coordinate {
    /// Index of a listed value.
    Choice(usize),
    Number(Number),
}

/// The coordinates that an axis can take. The constructors check their arguments.
#[derive(Clone, Debug, PartialEq)]
pub enum Domain {
    /// Number of listed values.
    Values(usize),
    /// Any number between the bounds, both included, rounded to [`DIGITS`] significant digits, or more
    /// where the bounds are close together.
    Uniform { low: f64, high: f64 },
    /// `low`, `low + quantum`, …: `count` exact decimals.
    Quantised {
        low: Decimal,
        quantum: Decimal,
        count: u64,
    },
    /// Like `Uniform`, but the logarithm is uniform. Both bounds are above 0.
    LogUniform { low: f64, high: f64 },
    /// `low`, `low + quantum`, … up to `high` at most.
    IntUniform { low: i64, high: i64, quantum: i64 },
    /// Whole numbers whose logarithm is uniform. `low` is 1 or more.
    LogIntUniform { low: i64, high: i64 },
}

/// Significant decimal digits of a number drawn from a continuous axis. So few digits keep the names of trials
/// short, and they are still far more than an objective can distinguish.
pub const DIGITS: usize = 6;

impl Domain {
    /// Returns the number of coordinates, or `None` if the axis is continuous.
    pub fn count(&self) -> Option<u128> {
        match *self {
            Self::Values(count) => Some(count as u128),
            Self::Quantised { count, .. } => Some(count.into()),
            Self::IntUniform { low, high, quantum } => {
                Some(u128::from(low.abs_diff(high) / quantum.unsigned_abs()) + 1)
            }
            Self::LogIntUniform { low, high } => Some(u128::from(low.abs_diff(high)) + 1),
            Self::Uniform { .. } | Self::LogUniform { .. } => None,
        }
    }

    /// Returns the coordinate at `index`, counted from 0, or `None` if there is none.
    pub fn nth(&self, index: u128) -> Option<Coordinate> {
        if index >= self.count()? {
            return None;
        }
        // Fits into `i64`, because `index` is below the count.
        let offset = |low: i64, quantum: i64| {
            i64::try_from(i128::from(low) + index as i128 * i128::from(quantum)).ok()
        };
        match *self {
            Self::Values(_) => Some(Coordinate::Choice(index as usize)),
            Self::Quantised { low, quantum, .. } => {
                let value = nth(low, quantum, Decimal::from(index as u64))?;
                Some(number(value.normalize().to_string().parse().ok()?))
            }
            Self::IntUniform { low, quantum, .. } => {
                Some(Coordinate::Number(offset(low, quantum)?.into()))
            }
            Self::LogIntUniform { low, .. } => Some(Coordinate::Number(offset(low, 1)?.into())),
            Self::Uniform { .. } | Self::LogUniform { .. } => None,
        }
    }

    /// Returns the coordinate of the number `value`, if the axis has it.
    pub fn find(&self, value: &Number) -> Option<Coordinate> {
        match *self {
            Self::Values(_) => None,
            Self::Uniform { low, high } | Self::LogUniform { low, high } => {
                let value = float(value);
                (low <= value && value <= high).then(|| number(value))
            }
            Self::Quantised { low, quantum, .. } => {
                let gaps = decimal(value)
                    .ok()?
                    .checked_sub(low)?
                    .checked_div(quantum)?;
                let index = gaps.is_integer().then(|| gaps.to_u128())??;
                self.nth(index)
            }
            Self::IntUniform { low, quantum, .. } => {
                let gap = i128::from(whole(value)?) - i128::from(low);
                let quantum = i128::from(quantum);
                let index = (gap % quantum == 0).then_some(gap / quantum)?;
                self.nth(index.try_into().ok()?)
            }
            Self::LogIntUniform { low, .. } => {
                let index = i128::from(whole(value)?) - i128::from(low);
                self.nth(index.try_into().ok()?)
            }
        }
    }

    /// Returns whether the axis has `coordinate` in exactly this form: an axis of whole numbers has 4, but not 4.0.
    pub fn contains(&self, coordinate: &Coordinate) -> bool {
        match (self, coordinate) {
            (Self::Values(count), Coordinate::Choice(index)) => index < count,
            (Self::Values(_), _) | (_, Coordinate::Choice(_)) => false,
            (_, Coordinate::Number(value)) => self.find(value).as_ref() == Some(coordinate),
        }
    }
}

fn nth(low: Decimal, quantum: Decimal, index: Decimal) -> Option<Decimal> {
    low.checked_add(quantum.checked_mul(index)?)
}

fn float(value: &Number) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn whole(value: &Number) -> Option<i64> {
    let of_float = || {
        value
            .as_f64()
            .filter(|v| v.fract() == 0.0 && v.abs() < 9e15)
    };
    value.as_i64().or_else(|| of_float().map(|v| v as i64))
}

/// Returns the coordinate of a float, which must be finite, as all numbers within bounds are.
fn number(value: f64) -> Coordinate {
    let number =
        Number::from_f64(value).unwrap_or_else(|| unreachable!("{value} is within finite bounds"));
    Coordinate::Number(number)
}

/// Converts a number to the exact decimal of its shortest text.
fn decimal(value: &Number) -> Result<Decimal, Invalid> {
    let text = value.to_string();
    let read = match text.contains(['e', 'E']) {
        true => Decimal::from_scientific(&text),
        false => Decimal::from_str_exact(&text),
    };
    read.map_err(|_| Invalid::NotDecimal(text))
}
