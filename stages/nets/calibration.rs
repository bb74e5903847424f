//! [`Calibration`]: the change of a classifier's probabilities that was fitted on validation images.

use serde::{Deserialize, Serialize};

use crate::metrics::{log, log_odds};

/// A monotone change of probabilities. It keeps the order of the images by the probability of a class of two, except
/// that rounding to single precision may make close probabilities equal, or tell apart those that it had made equal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibration {
    /// Divides the logits by this number: softmax(z / T) (Guo et al., 2017). The most probable class stays the same.
    Temperature(f64),
    /// For two classes: σ(slope · z + intercept), where z is the logit of the second class (Platt, 1999).
    Platt { slope: f64, intercept: f64 },
}

impl Calibration {
    /// Smallest temperature that is fitted, which is also the smallest slope.
    pub const LEAST: f64 = 0.05;
    /// Largest temperature that is fitted, which is also the largest slope.
    pub const MOST: f64 = 20.0;

    /// Returns the calibrated probabilities, row by row. Each row of `probabilities` has `classes` values.
    ///
    /// The logits of a softmax are the logarithms of its probabilities, except for a constant that softmax removes, so
    /// probabilities are enough.
    ///
    /// # Panics
    /// If there are not two classes with [`Calibration::Platt`].
    pub fn apply(&self, probabilities: &[f32], classes: usize) -> Vec<f32> {
        let rows = probabilities.chunks_exact(classes);
        match *self {
            Self::Temperature(temperature) => rows
                .flat_map(|row| tempered(row, 1.0 / temperature))
                .collect(),
            Self::Platt { slope, intercept } => {
                assert_eq!(classes, 2, "Platt scaling is for two classes");
                rows.flat_map(|row| {
                    let logit = slope * log_odds(row, 1) + intercept;
                    [sigmoid(-logit), sigmoid(logit)]
                })
                .collect()
            }
        }
    }

    /// Returns `true` if the parameters can be those of a fit, which files from elsewhere may not be.
    pub fn is_usable(&self, classes: usize) -> bool {
        match *self {
            Self::Temperature(temperature) => temperature.is_finite() && temperature > 0.0,
            Self::Platt { slope, intercept } => {
                classes == 2 && slope.is_finite() && slope > 0.0 && intercept.is_finite()
            }
        }
    }
}

impl std::fmt::Display for Calibration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Temperature(temperature) => write!(f, "temperature {temperature:.3}"),
            Self::Platt { slope, intercept } => {
                write!(
                    f,
                    "Platt scaling, slope {slope:.3}, intercept {intercept:.3}"
                )
            }
        }
    }
}

/// Returns the softmax of the row's log probabilities times `inverse`.
fn tempered(row: &[f32], inverse: f64) -> Vec<f32> {
    // Each probability is computed from the differences to it, because 1 minus the others would be 0 for a class that
    // is very unlikely.
    let logs: Vec<f64> = row.iter().map(|&p| log(p)).collect();
    let of_class = |class: f64| {
        let powers = logs.iter().map(|log| ((log - class) * inverse).exp());
        (1.0 / powers.sum::<f64>()) as f32
    };
    logs.iter().map(|&log| of_class(log)).collect()
}

fn sigmoid(logit: f64) -> f32 {
    (1.0 / (1.0 + (-logit).exp())) as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::Calibration;
    use crate::metrics::roc_auc;
    use crate::nets::Head;

    fn close(found: &[f32], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let error = (f64::from(*found) - expected).abs();
            assert!(error < 1e-7, "{found} is not {expected}");
        }
    }

    /// Expected values from SciPy 1.17.1: `softmax(z / 2.5)` of z = (2, −1, 0.5), and `expit(0.8 * z - 0.3)` of z = 1.5,
    /// with the complement `expit(-(0.8 * z - 0.3))`.
    #[test]
    fn probabilities_are_those_of_the_changed_logits() {
        let softmax = Head::Softmax(3).probabilities(&[2.0, -1.0, 0.5]);
        let tempered = Calibration::Temperature(2.5).apply(&softmax, 3);
        close(&tempered, &SOFTMAX);
        let sigmoid = Head::Sigmoid.probabilities(&[1.5]);
        let platt = Calibration::Platt {
            slope: 0.8,
            intercept: -0.3,
        };
        close(&platt.apply(&sigmoid, 2), &EXPIT);
    }

    const SOFTMAX: [f64; 3] = [
        0.540_538_831_851_645_8,
        0.162_807_167_467_498_74,
        0.296_654_000_680_855_6,
    ];
    const EXPIT: [f64; 2] = [0.289_050_497_374_996, 0.710_949_502_625_004];

    #[test]
    fn extreme_probabilities_stay_finite() {
        for calibration in [
            Calibration::Temperature(0.05),
            Calibration::Temperature(20.0),
            Calibration::Platt {
                slope: 20.0,
                intercept: -3.0,
            },
        ] {
            let found = calibration.apply(&[0.0, 1.0, 1.0, 0.0, 1.0, 1e-40], 2);
            assert!(found.iter().all(|p| (0.0..=1.0).contains(p)), "{found:?}");
        }
    }

    #[test]
    fn a_file_holds_the_parameters_by_name() {
        let platt = Calibration::Platt {
            slope: 0.5,
            intercept: -1.0,
        };
        let text = json!([Calibration::Temperature(1.5), platt]);
        let expected =
            json!([{ "temperature": 1.5 }, { "platt": { "slope": 0.5, "intercept": -1.0 } }]);
        assert_eq!(text, expected);
        for unusable in [
            json!({ "temperature": 0.0 }),
            json!({ "temperature": -1.0 }),
            json!({ "platt": { "slope": -1.0, "intercept": 0.0 } }),
        ] {
            let calibration: Calibration = serde_json::from_value(unusable).unwrap();
            assert!(!calibration.is_usable(2));
        }
        assert!(platt.is_usable(2) && !platt.is_usable(3));
    }

    fn calibrations() -> impl Strategy<Value = Calibration> {
        let platt = (0.05f64..20.0, -5.0f64..5.0);
        prop_oneof![
            (0.05f64..20.0).prop_map(Calibration::Temperature),
            platt.prop_map(|(slope, intercept)| Calibration::Platt { slope, intercept }),
        ]
    }

    proptest! {
        #[test]
        fn the_order_and_the_area_under_the_curve_stay(
            // Whole logits, so that rounding neither joins nor separates probabilities.
            examples in prop::collection::vec((-15i8..=15, any::<bool>()), 2..60),
            slope in 0.05f64..1.0,
            intercept in -1.0f64..1.0,
            is_platt in any::<bool>(),
        ) {
            let logits: Vec<f32> = examples.iter().map(|(logit, _)| f32::from(*logit)).collect();
            let positive: Vec<bool> = examples.iter().map(|(_, positive)| *positive).collect();
            let plain = Head::Sigmoid.probabilities(&logits);
            let calibration = match is_platt {
                true => Calibration::Platt { slope, intercept },
                false => Calibration::Temperature(1.0 / slope),
            };
            let calibrated = calibration.apply(&plain, 2);
            let second = |rows: &[f32]| rows.iter().skip(1).step_by(2).copied().collect::<Vec<f32>>();
            prop_assert_eq!(
                roc_auc(&second(&plain), &positive),
                roc_auc(&second(&calibrated), &positive)
            );
        }

        #[test]
        fn a_temperature_keeps_the_most_probable_class(
            logits in prop::collection::vec(-20.0f32..20.0, 4),
            temperature in 0.05f64..20.0,
        ) {
            let plain = Head::Softmax(4).probabilities(&logits);
            let calibrated = Calibration::Temperature(temperature).apply(&plain, 4);
            let highest = plain.iter().copied().fold(f32::MIN, f32::max);
            let class = plain.iter().position(|&p| p == highest).unwrap();
            prop_assert!(calibrated.iter().all(|&p| p <= calibrated[class]));
            let sum: f32 = calibrated.iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-6);
        }

        #[test]
        fn probabilities_are_never_reordered(
            pair in (0.0f32..=1.0, 0.0f32..=1.0),
            calibration in calibrations(),
        ) {
            let (low, high) = if pair.0 < pair.1 { pair } else { (pair.1, pair.0) };
            let found = calibration.apply(&[1.0 - low, low, 1.0 - high, high], 2);
            prop_assert!(found[1] <= found[3]);
            prop_assert!(found[0] >= found[2]);
        }

        #[test]
        fn the_temperature_one_changes_nothing(scores in prop::collection::vec(0.0f32..=1.0, 1..9)) {
            let rows: Vec<f32> = scores.iter().flat_map(|&p| [1.0 - p, p]).collect();
            let found = Calibration::Temperature(1.0).apply(&rows, 2);
            for (found, expected) in found.iter().zip(&rows) {
                prop_assert!((found - expected).abs() < 1e-6);
            }
        }
    }
}
