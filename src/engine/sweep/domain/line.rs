//! Maps the coordinates of an axis to positions on a line, on which samplers work.
//!
//! Uses the functions of `libm` instead of the system's, so that points are the same on every machine.

use rust_decimal::prelude::ToPrimitive;

use super::{Coordinate, DIGITS, Domain, float, number};

impl Domain {
    /// Returns the bounds of the line. Each listed or quantised value takes one unit. Other numbers are at
    /// their value or, on logarithmic axes, at its logarithm.
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

    /// Returns the coordinate at a position on the line, or the nearest one if the position is outside.
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
                    .unwrap_or_else(|| unreachable!("{self:?} has the index {index}"))
            }
        }
    }

    /// Returns the part of the line for which [`Domain::at`] returns this coordinate; `None` for choices and
    /// on continuous axes.
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

    /// Returns the position of a coordinate on the line.
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

/// Rounds to [`DIGITS`] significant digits, or to more if the bounds are close together, and clamps to the
/// bounds.
fn short(value: f64, low: f64, high: f64) -> f64 {
    let alike = libm::log10(value.abs() / (high - low)).clamp(0.0, 11.0) as usize;
    let digits = DIGITS - 1 + alike;
    let short: f64 = format!("{value:.digits$e}").parse().unwrap_or(value);
    short.clamp(low, high)
}
