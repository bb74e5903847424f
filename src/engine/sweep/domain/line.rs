//! The line on which samplers see an axis.
//!
//! Functions of `libm`, not of the system: the same on every machine, so the same points are too.

use rust_decimal::prelude::ToPrimitive;

use super::{Coordinate, DIGITS, Domain, float, number};

impl Domain {
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

/// To [`DIGITS`] significant digits, between the bounds; to more between bounds that differ only in these.
fn short(value: f64, low: f64, high: f64) -> f64 {
    let alike = libm::log10(value.abs() / (high - low)).clamp(0.0, 11.0) as usize;
    let digits = DIGITS - 1 + alike;
    let short: f64 = format!("{value:.digits$e}").parse().unwrap_or(value);
    short.clamp(low, high)
}
