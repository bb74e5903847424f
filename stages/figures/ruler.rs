//! A vertical axis of a parameter: the positions of values on it, and its labels.

use contract::analysis::Scale;

use super::axis::Axis;

/// Up to this many distinct values get a label each. If there are more, round values get labels.
const FEW: usize = 7;

/// Length of the longest label, in characters.
const LONGEST: usize = 20;

/// An axis with its labels.
pub(super) struct Ruler {
    low: f64,
    high: f64,
    log: bool,
    /// `true` if the values are positions in a list of names.
    choice: bool,
    /// Values and their labels, from low to high.
    ticks: Vec<(f64, String)>,
}

/// The arrangement of values on a [`Ruler`]: `linear`, `log`, or `choice` for positions in a list; and the values at
/// its ends.
pub(super) struct Arrangement {
    pub(super) name: &'static str,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Ruler {
    /// Creates an axis for `values`. A logarithmic axis becomes linear if a value is not above 0.
    pub(super) fn new(scale: &Scale, values: &[f64]) -> Self {
        let mut distinct: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        if let Scale::Choice(names) = scale {
            let ticks = names.iter().enumerate();
            return Self {
                low: -0.5,
                high: names.len().max(1) as f64 - 0.5,
                log: false,
                choice: true,
                ticks: ticks.map(|(at, name)| (at as f64, cut(name))).collect(),
            };
        }
        let log = *scale == Scale::Log && distinct.first().is_some_and(|&least| least > 0.0);
        let each = |values: &[f64]| values.iter().map(|&value| (value, short(value))).collect();
        match distinct.as_slice() {
            [] => Self::linear(&[0.0, 1.0]),
            [only] => {
                let margin = if *only == 0.0 { 1.0 } else { only.abs() * 0.5 };
                Self {
                    low: only - margin,
                    high: only + margin,
                    log: false,
                    choice: false,
                    ticks: each(&[*only]),
                }
            }
            [low, .., high] if distinct.len() <= FEW => Self {
                low: *low,
                high: *high,
                log,
                choice: false,
                ticks: each(&distinct),
            },
            [low, .., high] if log => Self {
                low: *low,
                high: *high,
                log,
                choice: false,
                ticks: each(&round_within(*low, *high)),
            },
            _ => Self::linear(&distinct),
        }
    }

    fn linear(values: &[f64]) -> Self {
        let axis = Axis::covering(values.iter().copied(), 5);
        Self {
            low: axis.low,
            high: axis.high,
            log: false,
            choice: false,
            ticks: axis.ticks(),
        }
    }

    /// Returns the arrangement of values, for the script of a page.
    pub(super) fn scale(&self) -> Arrangement {
        Arrangement {
            name: match (self.choice, self.log) {
                (true, _) => "choice",
                (false, true) => "log",
                (false, false) => "linear",
            },
            low: self.low,
            high: self.high,
        }
    }

    /// Returns the position of a value, from 0 at the low end to 1 at the high end. A value beyond an end is
    /// placed at that end.
    pub(super) fn fraction(&self, value: f64) -> f64 {
        let [low, high, value] = if self.log {
            [self.low, self.high, value].map(f64::ln)
        } else {
            [self.low, self.high, value]
        };
        ((value - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// Returns the labels and their positions, from low to high. Of labels that are closer to one another
    /// than `gap`, a fraction of the axis, only the first is returned.
    pub(super) fn labels(&self, gap: f64) -> Vec<(f64, &str)> {
        let mut labels: Vec<(f64, &str)> = Vec::new();
        for (value, label) in &self.ticks {
            let at = self.fraction(*value);
            if labels.last().is_none_or(|(last, _)| at - last >= gap) {
                labels.push((at, label));
            }
        }
        labels
    }
}

/// Returns the powers of ten in a range. If there are fewer than three, also returns their products with 2 and 5.
/// If there are still fewer than two values, returns the ends of the range.
fn round_within(low: f64, high: f64) -> Vec<f64> {
    let within = |factors: &[f64]| -> Vec<f64> {
        let exponents = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let all = exponents.flat_map(|exponent| {
            // The power is parsed and not computed, so that 10⁻⁴ is 0.0001 to the bit.
            let power: f64 = format!("1e{exponent}").parse().unwrap_or(f64::NAN);
            factors.iter().map(move |factor| factor * power)
        });
        let tolerance = 1e-9;
        all.filter(|value| (low * (1.0 - tolerance)..=high * (1.0 + tolerance)).contains(value))
            .collect()
    };
    let powers = within(&[1.0]);
    if powers.len() >= 3 {
        return powers;
    }
    let more = within(&[1.0, 2.0, 5.0]);
    if more.len() >= 2 {
        return more;
    }
    vec![low, high]
}

/// Formats a number in a few characters: `0.001`, `3.2e-5`, `128`.
pub(super) fn short(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    // The largest numbers would be rounded up to infinity.
    let rounded = format!("{value:.2e}").parse().ok();
    let rounded = rounded.filter(|rounded: &f64| rounded.is_finite());
    let rounded = rounded.unwrap_or(value);
    let whole = value.fract() == 0.0 && magnitude < 1e6;
    match magnitude {
        _ if whole => format!("{value}"),
        _ if !(1e-3..1e6).contains(&magnitude) => format!("{rounded:e}"),
        _ => format!("{rounded}"),
    }
}

/// Shortens a label that is too long.
fn cut(label: &str) -> String {
    if label.chars().count() <= LONGEST {
        return label.to_owned();
    }
    label.chars().take(LONGEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::{Ruler, Scale, short};

    fn labels(ruler: &Ruler) -> Vec<&str> {
        let labels = ruler.labels(0.05).into_iter();
        labels.map(|(_, label)| label).collect()
    }

    #[test]
    fn few_values_are_all_labelled_and_many_get_round_labels() {
        let few = Ruler::new(&Scale::Linear, &[0.2, 0.0, 0.1, 0.2]);
        assert_eq!(labels(&few), ["0", "0.1", "0.2"]);
        assert_eq!(few.fraction(0.1), 0.5);
        let values: Vec<f64> = (0..50).map(|i| 0.1 + 0.4 * f64::from(i) / 49.0).collect();
        let many = Ruler::new(&Scale::Linear, &values);
        assert_eq!(labels(&many), ["0.1", "0.2", "0.3", "0.4", "0.5"]);
        // Labels that are too close to one another to be read are left out.
        let near = Ruler::new(&Scale::Linear, &[1.0, 1.001, 2.0]);
        assert_eq!(labels(&near), ["1", "2"]);
    }

    #[test]
    fn magnitudes_are_evenly_spaced_on_a_logarithmic_axis() {
        let values: Vec<f64> = (0..50)
            .map(|i| 10f64.powf(-4.0 + 2.0 * f64::from(i) / 49.0))
            .collect();
        let ruler = Ruler::new(&Scale::Log, &values);
        assert_eq!(labels(&ruler), ["1e-4", "0.001", "0.01"]);
        assert!((ruler.fraction(1e-3) - 0.5).abs() < 1e-9);
        let values: Vec<f64> = (0..20).map(|i| 0.01 + 0.003 * f64::from(i)).collect();
        assert_eq!(
            labels(&Ruler::new(&Scale::Log, &values)),
            ["0.01", "0.02", "0.05"]
        );
        // 0 has no logarithm, so the axis is linear.
        let zero = Ruler::new(&Scale::Log, &[0.0, 1.0, 2.0]);
        assert_eq!(zero.fraction(1.0), 0.5);
    }

    #[test]
    fn choices_and_single_values_have_a_position_and_no_values_have_labels() {
        let names = ["a", "b"].map(str::to_owned).to_vec();
        let choice = Ruler::new(&Scale::Choice(names), &[0.0, 1.0]);
        assert_eq!((choice.fraction(0.0), choice.fraction(1.0)), (0.25, 0.75));
        let one = Ruler::new(&Scale::Log, &[0.5, 0.5]);
        assert_eq!((one.fraction(0.5), labels(&one)), (0.5, vec!["0.5"]));
        assert!(labels(&Ruler::new(&Scale::Linear, &[f64::NAN])).len() > 1);
    }

    #[test]
    fn numbers_are_short() {
        let texts = [
            0.0,
            1e-4,
            0.000123456,
            0.1 + 0.2,
            128.0,
            1234.567,
            2.5e7,
            -0.5,
        ]
        .map(short);
        let expected = [
            "0", "1e-4", "1.23e-4", "0.3", "128", "1230", "2.5e7", "-0.5",
        ];
        assert_eq!(texts, expected);
    }
}
