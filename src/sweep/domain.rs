//! What an axis can be: choices, or numbers between bounds.
//!
//! Functions of `libm`, not of the system: the same on every machine, so the same points are too.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// Where a point is on one axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coordinate {
    /// One of the listed values, by its place in the list.
    Choice(usize),
    Number(Number),
}

/// The coordinates an axis can take. Its constructors check what they are given.
#[derive(Clone, Debug, PartialEq)]
pub enum Domain {
    /// So many listed values.
    Values(usize),
    /// Any number between the bounds, both included, rounded to [`DIGITS`] significant digits.
    Uniform { low: f64, high: f64 },
    /// `low`, `low + quantum`, …: so many exact decimals.
    Quantised {
        low: Decimal,
        quantum: Decimal,
        count: u64,
    },
    /// As `Uniform`, but it is the logarithm that is uniform. Both bounds are above 0.
    LogUniform { low: f64, high: f64 },
    /// `low`, `low + quantum`, … up to `high` at most.
    IntUniform { low: i64, high: i64, quantum: i64 },
    /// Whole numbers whose logarithm is uniform. `low` is 1 or more.
    LogIntUniform { low: i64, high: i64 },
}

/// Significant decimal digits of a number drawn from a continuous axis: a short name for the trial, and
/// far more than an objective can tell apart.
pub const DIGITS: usize = 6;

/// Why there is no such domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("an axis without a value")]
    Empty,
    #[error("the lower bound `{low}` is not below the upper bound `{high}`")]
    Order { low: String, high: String },
    #[error("the lower bound `{0}` of a logarithmic axis is not above 0")]
    NotPositive(String),
    #[error("the quantum `{0}` is not above 0")]
    Quantum(String),
    #[error("`{0}` is too large, or has more digits than an exact decimal can (28)")]
    NotDecimal(String),
    #[error("the range from `{low}` to `{high}` is too wide")]
    TooWide { low: String, high: String },
    #[error("axes that go together differ in length: {0}")]
    Uneven(String),
}

impl Domain {
    pub fn values(count: usize) -> Result<Self, Invalid> {
        match count {
            0 => Err(Invalid::Empty),
            _ => Ok(Self::Values(count)),
        }
    }

    /// Axes that go together, with how many values each has: one axis, whose choice is a place in all
    /// of the lists.
    pub fn zipped(lengths: &[(&str, usize)]) -> Result<Self, Invalid> {
        let count = lengths.first().map_or(0, |&(_, length)| length);
        if lengths.iter().all(|&(_, length)| length == count) {
            return Self::values(count);
        }
        let lengths = lengths.iter().map(|(name, n)| format!("`{name}` has {n}"));
        Err(Invalid::Uneven(lengths.collect::<Vec<_>>().join(", ")))
    }

    pub fn uniform(low: &Number, high: &Number, quantum: Option<&Number>) -> Result<Self, Invalid> {
        match quantum {
            Some(quantum) => Self::quantised(low, high, quantum),
            None => {
                let bounds = (float(low), float(high));
                check_order(bounds.0, bounds.1)?;
                if !(bounds.1 - bounds.0).is_finite() {
                    return Err(too_wide(low, high));
                }
                Ok(Self::Uniform {
                    low: bounds.0,
                    high: bounds.1,
                })
            }
        }
    }

    fn quantised(low: &Number, high: &Number, quantum: &Number) -> Result<Self, Invalid> {
        let (bottom, top, gap) = (decimal(low)?, decimal(high)?, decimal(quantum)?);
        if gap <= Decimal::ZERO {
            return Err(Invalid::Quantum(quantum.to_string()));
        }
        if bottom > top {
            return Err(order(low, high));
        }
        let gaps = top.checked_sub(bottom).and_then(|w| w.checked_div(gap));
        let mut gaps = gaps
            .map(|gaps| gaps.floor())
            .filter(|gaps| gaps.to_u64() < Some(u64::MAX));
        // The quotient was rounded to 28 digits, perhaps up.
        if let Some(some) = gaps
            && nth(bottom, gap, some).is_none_or(|last| last > top)
        {
            gaps = some.checked_sub(Decimal::ONE);
        }
        let count = gaps.and_then(|gaps| gaps.to_u64());
        Ok(Self::Quantised {
            low: bottom,
            quantum: gap,
            count: count.ok_or_else(|| too_wide(low, high))? + 1,
        })
    }

    pub fn log_uniform(low: f64, high: f64) -> Result<Self, Invalid> {
        if low <= 0.0 {
            return Err(Invalid::NotPositive(low.to_string()));
        }
        check_order(low, high)?;
        Ok(Self::LogUniform { low, high })
    }

    pub fn int_uniform(low: i64, high: i64, quantum: i64) -> Result<Self, Invalid> {
        if quantum <= 0 {
            return Err(Invalid::Quantum(quantum.to_string()));
        }
        if low > high {
            return Err(order(low, high));
        }
        Ok(Self::IntUniform { low, high, quantum })
    }

    pub fn log_int_uniform(low: i64, high: i64) -> Result<Self, Invalid> {
        if low <= 0 {
            return Err(Invalid::NotPositive(low.to_string()));
        }
        if low > high {
            return Err(order(low, high));
        }
        Ok(Self::LogIntUniform { low, high })
    }

    /// How many coordinates there are; nothing if the axis is continuous.
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

    /// The coordinate at `index`, counted from 0, of an axis that has more than that.
    pub fn nth(&self, index: u128) -> Option<Coordinate> {
        if index >= self.count()? {
            return None;
        }
        // In range, as it is below the count.
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

    /// The coordinate that is the number `value`, if the axis has it.
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

    /// If the axis has `coordinate`, in just this form.
    pub fn contains(&self, coordinate: &Coordinate) -> bool {
        match (self, coordinate) {
            (Self::Values(count), Coordinate::Choice(index)) => index < count,
            (Self::Values(_), _) | (_, Coordinate::Choice(_)) => false,
            (_, Coordinate::Number(value)) => self.find(value).as_ref() == Some(coordinate),
        }
    }

    /// The bounds of the line on which samplers see the axis: every coordinate has an equal share of it,
    /// one unit to an index, or the logarithm of a number.
    pub fn extent(&self) -> (f64, f64) {
        match *self {
            Self::Values(count) => (0.0, count as f64),
            Self::Uniform { low, high } => (low, high),
            Self::LogUniform { low, high } => (libm::log(low), libm::log(high)),
            Self::LogIntUniform { low, high } => {
                (libm::log(low as f64 - 0.5), libm::log(high as f64 + 0.5))
            }
            Self::Quantised { .. } | Self::IntUniform { .. } => {
                let count = self.count().unwrap_or(1);
                (-0.5, count as f64 - 0.5)
            }
        }
    }

    /// The coordinate at a place of the line; the nearest one if the place is off it.
    pub fn at(&self, place: f64) -> Coordinate {
        match *self {
            Self::Values(count) => Coordinate::Choice((place.max(0.0) as usize).min(count - 1)),
            Self::Uniform { low, high } => number(short(place, low, high)),
            Self::LogUniform { low, high } => number(short(libm::exp(place), low, high)),
            Self::LogIntUniform { low, high } => {
                let value = libm::exp(place).round() as i64;
                Coordinate::Number(value.clamp(low, high).into())
            }
            Self::Quantised { .. } | Self::IntUniform { .. } => {
                let last = self.count().unwrap_or(1) - 1;
                let index = (place.round().max(0.0) as u128).min(last);
                self.nth(index)
                    .unwrap_or_else(|| unreachable!("{index} of {self:?}"))
            }
        }
    }

    /// What of the line [`Domain::at`] makes this coordinate, of an axis of separate numbers.
    pub fn cell(&self, coordinate: &Coordinate) -> Option<(f64, f64)> {
        let place = self.place(coordinate);
        match self {
            Self::Values(_) | Self::Uniform { .. } | Self::LogUniform { .. } => None,
            Self::Quantised { .. } | Self::IntUniform { .. } => Some((place - 0.5, place + 0.5)),
            Self::LogIntUniform { .. } => {
                let value = libm::exp(place);
                Some((libm::log(value - 0.5), libm::log(value + 0.5)))
            }
        }
    }

    /// The place of a coordinate on the line.
    pub fn place(&self, coordinate: &Coordinate) -> f64 {
        match (self, coordinate) {
            (_, Coordinate::Choice(index)) => *index as f64,
            (Self::Values(_) | Self::Uniform { .. }, Coordinate::Number(value)) => float(value),
            (Self::LogUniform { .. } | Self::LogIntUniform { .. }, Coordinate::Number(value)) => {
                libm::log(float(value))
            }
            (Self::Quantised { low, quantum, .. }, Coordinate::Number(value)) => {
                let (low, quantum) = (low.to_f64(), quantum.to_f64());
                ((float(value) - low.unwrap_or(0.0)) / quantum.unwrap_or(1.0)).round()
            }
            (Self::IntUniform { low, quantum, .. }, Coordinate::Number(value)) => {
                (float(value) - *low as f64) / *quantum as f64
            }
        }
    }
}

fn nth(low: Decimal, quantum: Decimal, index: Decimal) -> Option<Decimal> {
    low.checked_add(quantum.checked_mul(index)?)
}

/// To [`DIGITS`] significant digits, between the bounds.
fn short(value: f64, low: f64, high: f64) -> f64 {
    let digits = DIGITS - 1;
    let short: f64 = format!("{value:.digits$e}").parse().unwrap_or(value);
    short.clamp(low, high)
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

/// A float that is finite, as all within bounds are.
fn number(value: f64) -> Coordinate {
    let number = Number::from_f64(value).unwrap_or_else(|| unreachable!("{value} within bounds"));
    Coordinate::Number(number)
}

/// Exactly what the shortest text of the number says.
fn decimal(value: &Number) -> Result<Decimal, Invalid> {
    let text = value.to_string();
    let read = match text.contains(['e', 'E']) {
        true => Decimal::from_scientific(&text),
        false => Decimal::from_str_exact(&text),
    };
    read.map_err(|_| Invalid::NotDecimal(text))
}

fn check_order(low: f64, high: f64) -> Result<(), Invalid> {
    match low < high && high.is_finite() {
        true => Ok(()),
        false => Err(order(low, high)),
    }
}

fn order(low: impl ToString, high: impl ToString) -> Invalid {
    let (low, high) = (low.to_string(), high.to_string());
    Invalid::Order { low, high }
}

fn too_wide(low: &Number, high: &Number) -> Invalid {
    let (low, high) = (low.to_string(), high.to_string());
    Invalid::TooWide { low, high }
}
