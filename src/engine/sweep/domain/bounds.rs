//! Constructors of [`Domain`], which check the bounds.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::Number;

use super::{Domain, decimal, float, nth};

/// The reason why there is no domain with the given bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("an axis needs at least one value")]
    Empty,
    #[error("the lower bound `{low}` is not below the upper bound `{high}`")]
    Order { low: String, high: String },
    #[error("the lower bound `{0}` of a logarithmic axis is not above 0")]
    NotPositive(String),
    #[error("the quantum `{0}` is not above 0")]
    Quantum(String),
    #[error("`{0}` is too large, or has more than 28 digits")]
    NotDecimal(String),
    #[error("the range from `{low}` to `{high}` is too wide")]
    TooWide { low: String, high: String },
    #[error("axes that vary together must have the same number of values: {0}")]
    Uneven(String),
}

impl Domain {
    pub fn values(count: usize) -> Result<Self, Invalid> {
        match count {
            0 => Err(Invalid::Empty),
            _ => Ok(Self::Values(count)),
        }
    }

    /// Creates the domain of axes that vary together, given the number of values of each. Its choices are
    /// indices into all of the lists.
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
        // The quotient was rounded to 28 digits, possibly up.
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
