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
    /// Any number between the bounds, both included, rounded to [`DIGITS`] significant digits, or more
    /// where the bounds are close together.
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

/// To [`DIGITS`] significant digits, between the bounds; to more between bounds that differ only in these.
fn short(value: f64, low: f64, high: f64) -> f64 {
    let alike = libm::log10(value.abs() / (high - low)).clamp(0.0, 11.0) as usize;
    let digits = DIGITS - 1 + alike;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Number;

    use super::{Coordinate, Domain, Invalid};

    fn number(text: &str) -> Number {
        serde_json::from_str(text).unwrap()
    }

    fn uniform(low: &str, high: &str, quantum: &str) -> Result<Domain, Invalid> {
        Domain::uniform(&number(low), &number(high), Some(&number(quantum)))
    }

    fn all(domain: &Domain) -> Vec<String> {
        let coordinates = (0..domain.count().unwrap()).map(|index| domain.nth(index).unwrap());
        coordinates
            .map(|coordinate| match coordinate {
                Coordinate::Number(number) => number.to_string(),
                Coordinate::Choice(choice) => format!("#{choice}"),
            })
            .collect()
    }

    #[test]
    fn quanta_are_exact_decimals() {
        let of = |low, high, quantum| all(&uniform(low, high, quantum).unwrap());
        assert_eq!(of("0.1", "0.5", "0.1"), ["0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(of("0.1", "0.55", "0.2"), ["0.1", "0.3", "0.5"]);
        assert_eq!(
            of("-1e-7", "2e-7", "1e-7"),
            ["-1e-7", "0.0", "1e-7", "2e-7"]
        );
        assert_eq!(of("0", "1", "0.25"), ["0.0", "0.25", "0.5", "0.75", "1.0"]);
        assert_eq!(of("0", "1", "0.3"), ["0.0", "0.3", "0.6", "0.9"]);
        assert_eq!(of("3", "3", "1"), ["3.0"]);
        let ints = Domain::int_uniform(-5, 6, 5).unwrap();
        assert_eq!(all(&ints), ["-5", "0", "5"]);
        assert_eq!(
            all(&Domain::log_int_uniform(1, 3).unwrap()),
            ["1", "2", "3"]
        );
        assert_eq!(all(&Domain::values(2).unwrap()), ["#0", "#1"]);
    }

    #[test]
    fn numbers_are_found_in_whatever_form_they_are_written() {
        let tenths = uniform("0", "1", "0.1").unwrap();
        assert_eq!(tenths.find(&number("0.3")), tenths.nth(3));
        assert_eq!(tenths.find(&number("1")), tenths.nth(10));
        assert_eq!(tenths.find(&number("3e-1")), tenths.nth(3));
        for missing in ["0.35", "1.1", "-0.1"] {
            assert_eq!(tenths.find(&number(missing)), None, "{missing}");
        }
        let even = Domain::int_uniform(2, 8, 2).unwrap();
        assert_eq!(even.find(&number("4.0")), even.nth(1));
        for missing in ["3", "4.5", "0", "10", "18446744073709551615"] {
            assert_eq!(even.find(&number(missing)), None, "{missing}");
        }
        let rate = Domain::log_uniform(1e-4, 1e-2).unwrap();
        assert_eq!(
            rate.find(&number("1e-2")),
            Some(Coordinate::Number(number("0.01")))
        );
        assert_eq!(rate.find(&number("0.02")), None);
        assert!(!even.contains(&Coordinate::Number(number("4.0"))));
        assert!(even.contains(&Coordinate::Number(number("4"))));
        assert!(!even.contains(&Coordinate::Choice(1)));
    }

    #[test]
    fn what_makes_no_domain_is_refused() {
        let text = |refused: Result<Domain, Invalid>| refused.unwrap_err().to_string();
        assert_eq!(Domain::values(0), Err(Invalid::Empty));
        assert_eq!(
            text(uniform("0.5", "0.1", "0.1")),
            "the lower bound `0.5` is not below the upper bound `0.1`"
        );
        assert_eq!(
            text(uniform("0", "1", "0")),
            "the quantum `0` is not above 0"
        );
        assert_eq!(
            text(uniform("0", "1", "1e-30")),
            "`1e-30` is too large, or has more digits than an exact decimal can (28)"
        );
        assert_eq!(
            text(uniform("0", "1e20", "1e-5")),
            "the range from `0` to `1e+20` is too wide"
        );
        let continuous = |low, high| Domain::uniform(&number(low), &number(high), None);
        assert!(matches!(continuous("1", "1"), Err(Invalid::Order { .. })));
        assert!(matches!(
            continuous("-1e308", "1e308"),
            Err(Invalid::TooWide { .. })
        ));
        assert_eq!(
            Domain::log_uniform(0.0, 1.0),
            Err(Invalid::NotPositive("0".to_owned()))
        );
        assert!(matches!(
            Domain::log_uniform(1.0, f64::INFINITY),
            Err(Invalid::Order { .. })
        ));
        assert!(matches!(
            Domain::log_uniform(f64::NAN, 1.0),
            Err(Invalid::Order { .. })
        ));
        assert!(matches!(
            Domain::log_int_uniform(0, 9),
            Err(Invalid::NotPositive(_))
        ));
        assert!(matches!(
            Domain::int_uniform(2, 1, 1),
            Err(Invalid::Order { .. })
        ));
        assert!(matches!(
            Domain::int_uniform(1, 2, -1),
            Err(Invalid::Quantum(_))
        ));
    }

    #[test]
    fn axes_that_go_together_are_of_one_length() {
        assert_eq!(Domain::zipped(&[("a", 3), ("b", 3)]), Ok(Domain::Values(3)));
        assert_eq!(
            Domain::zipped(&[("a", 3), ("b", 2)])
                .unwrap_err()
                .to_string(),
            "axes that go together differ in length: `a` has 3, `b` has 2"
        );
        assert_eq!(Domain::zipped(&[]), Err(Invalid::Empty));
    }

    #[test]
    fn drawn_numbers_are_short_and_within_bounds() {
        let rate = Domain::log_uniform(1e-4, 1e-2).unwrap();
        let middle = rate.at(libm::log(0.001_234_567_89));
        assert_eq!(middle, Coordinate::Number(number("0.00123457")));
        let narrow = |low, high, at| Domain::Uniform { low, high }.at(at);
        let expected = |text| Coordinate::Number(number(text));
        assert_eq!(
            narrow(1000.0, 1001.0, 1000.123_456_789),
            expected("1000.12346")
        );
        assert_eq!(
            narrow(0.123_456_7, 0.123_456_8, 0.123_456_746),
            expected("0.123456746")
        );
        assert_eq!(
            narrow(-1.0, 0.333_333_333, 0.333_333_333),
            expected("0.333333")
        );
        assert_eq!(
            narrow(0.333_333_333, 1.0, 0.333_333_333),
            expected("0.333333333")
        );
    }

    #[test]
    fn the_widest_integers_have_all_their_coordinates() {
        let all = Domain::int_uniform(i64::MIN, i64::MAX, 1).unwrap();
        assert_eq!(all.count(), Some(1 << 64));
        assert_eq!(all.nth(0), Some(Coordinate::Number(i64::MIN.into())));
        assert_eq!(
            all.nth((1 << 64) - 1),
            Some(Coordinate::Number(i64::MAX.into()))
        );
        assert_eq!(all.nth(1 << 64), None);
        let (start, end) = all.extent();
        assert!(all.contains(&all.at(start)) && all.contains(&all.at(end)));
    }

    proptest! {
        #[test]
        fn what_is_at_the_place_of_a_coordinate_is_the_coordinate(
            low in -1000..1000_i64, width in 0..1000_i64, gap in 1..50_i64, share in 0.0..1.0_f64,
        ) {
            let tenths = |units: i64| number(&format!("{}", units as f64 / 10.0));
            let domains = [
                Domain::uniform(&tenths(low), &tenths(low + width), Some(&tenths(gap))).unwrap(),
                Domain::int_uniform(low, low + width, gap).unwrap(),
                Domain::log_int_uniform(low.abs() + 1, low.abs() + 1 + width).unwrap(),
                Domain::values(gap as usize).unwrap(),
            ];
            for domain in domains {
                let (start, end) = domain.extent();
                let place = start + share * (end - start);
                let coordinate = domain.at(place);
                prop_assert!(domain.contains(&coordinate));
                prop_assert_eq!(&domain.at(domain.place(&coordinate)), &coordinate);
                if let Some((from, to)) = domain.cell(&coordinate) {
                    prop_assert!(from - 1e-9 <= place && place <= to + 1e-9);
                }
            }
        }
    }
}
