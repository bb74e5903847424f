//! [`Bounds`] of an expected value.

use std::fmt;

use crate::wording::{self, exact};
use serde::Serialize;

/// Bounds within which a value is expected to lie. They are finite and inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Bounds {
    /// At most `within` away from `value`. `within` is 0 or more.
    Near {
        value: f64,
        within: f64,
    },
    /// `at_least` is not above `at_most`.
    Between {
        at_least: f64,
        at_most: f64,
    },
    AtLeast {
        at_least: f64,
    },
    AtMost {
        at_most: f64,
    },
}

impl Bounds {
    /// Returns whether `value` lies within the bounds. NaN never does.
    pub fn hold(&self, value: f64) -> bool {
        match *self {
            Self::Near {
                value: centre,
                within,
            } => {
                // 0.93 and 0.88 are 0.05 apart, which is slightly more than 0.05 in binary floating point.
                let rounding = 4.0 * f64::EPSILON * (centre.abs() + within);
                (value - centre).abs() <= within + rounding
            }
            Self::Between { at_least, at_most } => (at_least..=at_most).contains(&value),
            Self::AtLeast { at_least } => value >= at_least,
            Self::AtMost { at_most } => value <= at_most,
        }
    }

    /// Formats a value with three decimals, or with as many as are needed to show whether it lies within the
    /// bounds.
    pub fn figure(&self, value: f64) -> String {
        let shows = |text: &String| {
            let shown = text.parse().is_ok_and(|shown| self.hold(shown));
            shown == self.hold(value)
        };
        let few = std::iter::once(wording::measured(value));
        let more = (4..=17).map(|decimals| format!("{value:.decimals$}"));
        let mut texts = few.chain(more);
        texts.find(shows).unwrap_or_else(|| exact(value))
    }
}

/// Writes `0.93 ± 0.02`, `at least 0.9`, `at most 0.1` or `0.1 to 0.9`.
impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Near { value, within } => write!(f, "{} ± {}", exact(*value), exact(*within)),
            Self::Between { at_least, at_most } => {
                write!(f, "{} to {}", exact(*at_least), exact(*at_most))
            }
            Self::AtLeast { at_least } => write!(f, "at least {}", exact(*at_least)),
            Self::AtMost { at_most } => write!(f, "at most {}", exact(*at_most)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bounds;

    #[test]
    fn bounds_include_their_ends() {
        let near = Bounds::Near {
            value: 0.93,
            within: 0.05,
        };
        let between = Bounds::Between {
            at_least: -1.0,
            at_most: 1.0,
        };
        let least = Bounds::AtLeast { at_least: 0.9 };
        let most = Bounds::AtMost { at_most: 0.9 };
        for (bounds, inside, outside) in [
            (near, [0.88, 0.98], [0.879_999, 0.980_001]),
            (between, [-1.0, 1.0], [-1.000_001, 1.000_001]),
            (least, [0.9, 1e300], [0.899_999, -1e300]),
            (most, [0.9, -1e300], [0.900_001, 1e300]),
        ] {
            for value in inside {
                assert!(bounds.hold(value), "{value} and {bounds}");
            }
            for value in outside {
                assert!(!bounds.hold(value), "{value} and {bounds}");
            }
            assert!(!bounds.hold(f64::NAN), "{bounds}");
        }
        assert!(!near.hold(f64::INFINITY));
    }

    #[test]
    fn rounding_never_moves_a_value_across_a_bound() {
        let least = Bounds::AtLeast { at_least: 0.88 };
        assert_eq!(least.figure(0.8912), "0.891");
        assert_eq!(least.figure(0.8796), "0.8796");
        assert_eq!(least.figure(0.879_999_6), "0.8799996");
        let near = Bounds::Near {
            value: 1.0,
            within: 0.001,
        };
        assert_eq!(near.figure(1.001_4), "1.0014");
        assert_eq!(least.figure(f64::NAN), "NaN");
    }

    #[test]
    fn a_tolerance_of_zero_accepts_only_the_value() {
        let exact = Bounds::Near {
            value: 3.0,
            within: 0.0,
        };
        assert!(exact.hold(3.0));
        assert!(!exact.hold(3.000_001));
    }
}
