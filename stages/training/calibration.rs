//! Fits the calibration of a trained network on the validation images, by minimizing the log loss.
//!
//! | situation | result |
//! | --- | --- |
//! | temperature: every image's class has the highest score | none: the loss falls for ever if the logits grow |
//! | temperature, or Platt's slope, outside of [`LEAST`] to [`MOST`] | the bound, with a warning |
//! | Platt: all images have the same score, or only one class has images | none |
//! | fewer than [`FEW`] validation images | a warning |
//!
//! Platt scaling uses smoothed targets, (n₊ + 1) / (n₊ + 2) and 1 / (n₋ + 2) instead of 1 and 0 (Platt, 1999; Lin, Lin
//! and Weng, 2007). These are the shares that a uniform prior expects in images that are not in the sample. So the
//! fit has a minimum even if a score separates the classes.

use super::recipe::CalibrationMethod;
use crate::metrics::{Examples, Line, log, log_loss, log_odds, root};
use crate::nets::Calibration;

/// Number of validation images below which a fit is clearly uncertain.
const FEW: usize = 100;

const LEAST: f64 = Calibration::LEAST;
const MOST: f64 = Calibration::MOST;

/// The result of a fit.
pub(super) struct Fit {
    /// `None` if the images do not determine a calibration, or none was asked for.
    pub calibration: Option<Calibration>,
    /// The probabilities of the validation images, calibrated.
    pub scores: Vec<f32>,
    /// Calibration and log loss, before and after: `temperature 1.420 (validation loss 0.412, before 0.437)`.
    pub note: Option<String>,
    pub warnings: Vec<String>,
}

/// Fits `method` to the probabilities `scores` of images with these labels. There must be an image unless the method is
/// [`CalibrationMethod::None`].
pub(super) fn calibrate(
    method: CalibrationMethod,
    scores: Vec<f32>,
    labels: &[u32],
    classes: usize,
) -> Fit {
    let mut warnings = Vec::new();
    let calibration = match method {
        CalibrationMethod::None => None,
        CalibrationMethod::Temperature => temperature(&scores, labels, classes, &mut warnings),
        CalibrationMethod::Platt => platt(&scores, labels, &mut warnings),
    };
    let Some(calibration) = calibration else {
        return Fit {
            calibration,
            scores,
            note: None,
            warnings,
        };
    };
    if labels.len() < FEW {
        warnings.push(format!(
            "the calibration is fitted on only {}: with fewer than {FEW}, it may be worse than none",
            images(labels)
        ));
    }
    let calibrated = calibration.apply(&scores, classes);
    let loss = |scores: &[f32]| log_loss(scores, labels, classes).unwrap_or(f64::NAN);
    let note = format!(
        "{calibration} (validation loss {:.4}, before {:.4})",
        loss(&calibrated),
        loss(&scores)
    );
    Fit {
        calibration: Some(calibration),
        scores: calibrated,
        note: Some(note),
        warnings,
    }
}

/// Formats `52 validation images`.
fn images(labels: &[u32]) -> String {
    let s = if labels.len() == 1 { "" } else { "s" };
    format!("{} validation image{s}", labels.len())
}

fn temperature(
    scores: &[f32],
    labels: &[u32],
    classes: usize,
    warnings: &mut Vec<String>,
) -> Option<Calibration> {
    let logs: Vec<f64> = scores.iter().map(|&p| log(p)).collect();
    let rows = || logs.chunks_exact(classes).zip(labels);
    let is_top = |(row, &label): (&[f64], &u32)| row.iter().all(|&log| log <= row[label as usize]);
    if rows().all(is_top) {
        warnings.push(format!(
            "no temperature was fitted: the classes of all {} have the highest probability, so the log loss has no \
             minimum; use more of them",
            images(labels)
        ));
        return None;
    }
    // The derivatives of the loss, which is convex.
    let inverse = root([1.0 / MOST, 1.0 / LEAST], |inverse| {
        rows().fold([0.0; 2], |[first, second], (row, &label)| {
            let [mean, variance] = moments(row, inverse);
            [first + mean - row[label as usize], second + variance]
        })
    });
    if inverse <= 1.0 / MOST || inverse >= 1.0 / LEAST {
        warnings.push(format!(
            "the temperature that fits best is beyond {:.2}, where the search ends: the probabilities of the validation \
             images say little about their classes",
            1.0 / inverse
        ));
    }
    Some(Calibration::Temperature(1.0 / inverse))
}

/// Returns mean and variance of the log probabilities of a row under the probabilities that `inverse` times them
/// gives.
fn moments(row: &[f64], inverse: f64) -> [f64; 2] {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let power = |log: &f64| ((log - most) * inverse).exp();
    let total: f64 = row.iter().map(power).sum();
    let mean = row.iter().map(|log| power(log) * log).sum::<f64>() / total;
    let squares = row.iter().map(|log| power(log) * (log - mean).powi(2));
    [mean, squares.sum::<f64>() / total]
}

fn platt(scores: &[f32], labels: &[u32], warnings: &mut Vec<String>) -> Option<Calibration> {
    let positives = labels.iter().filter(|&&label| label == 1).count() as f64;
    let negatives = labels.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        warnings
            .push("no calibration was fitted: all validation images are of one class".to_owned());
        return None;
    }
    let logits: Vec<f64> = scores.chunks_exact(2).map(|row| log_odds(row, 1)).collect();
    let target = |&label: &u32| match label {
        1 => (positives + 1.0) / (positives + 2.0),
        _ => 1.0 / (negatives + 2.0),
    };
    let targets: Vec<f64> = labels.iter().map(target).collect();
    let examples = Examples {
        scores: &logits,
        targets: &targets,
        weights: &vec![1; labels.len()],
    };
    let start = Line {
        slope: 0.0,
        intercept: ((positives + 1.0) / (negatives + 1.0)).ln(),
    };
    let Some(line) = examples.fit(start) else {
        warnings.push(
            "no calibration was fitted: all validation images have the same probability".to_owned(),
        );
        return None;
    };
    let slope = line.slope.clamp(LEAST, MOST);
    if slope == line.slope {
        return Some(Calibration::Platt {
            slope,
            intercept: line.intercept,
        });
    }
    warnings.push(format!(
        "the slope that fits best is {:.3}, outside of {LEAST} to {MOST}, and is set to {slope}: the probabilities of the \
         validation images say little about their classes",
        line.slope
    ));
    let intercept = examples.fit_intercept(slope).intercept;
    Some(Calibration::Platt { slope, intercept })
}

#[cfg(test)]
mod tests {
    use contract::random;
    use proptest::prelude::*;
    use rand::RngExt;

    use super::*;
    use crate::nets::Head;

    fn fit(method: CalibrationMethod, logits: &[f32], labels: &[u32], head: Head) -> Fit {
        calibrate(method, head.probabilities(logits), labels, head.classes())
    }

    fn found_temperature(fit: &Fit) -> f64 {
        match fit.calibration {
            Some(Calibration::Temperature(temperature)) => temperature,
            other => panic!("{other:?}"),
        }
    }

    /// Logits of 60 images of three classes, and their classes.
    fn three() -> (Vec<f32>, Vec<u32>) {
        let logit = |i: u32| ((i * 37 % 101) as f32 - 50.0) / 8.0;
        let logits: Vec<f32> = (0..180).map(logit).collect();
        let label = |i: u32| match i % 4 {
            3 => i * 7 % 3,
            _ => {
                let row = &logits[3 * i as usize..][..3];
                (0..3).fold(0, |best, c| if row[c] > row[best] { c } else { best }) as u32
            }
        };
        let labels = (0..60).map(label).collect();
        (logits, labels)
    }

    /// Logits of 80 images of two classes, and their classes.
    fn two() -> (Vec<f32>, Vec<u32>) {
        let logits: Vec<f32> = (0..80)
            .map(|i| ((i * 29 % 83) as f32 - 35.0) / 6.0)
            .collect();
        let label =
            |(i, &z): (usize, &f32)| u32::from(z + ((i * 13 % 17) as f32 - 8.0) / 2.0 > 0.5);
        let labels = logits.iter().enumerate().map(label).collect();
        (logits, labels)
    }

    /// Expected values from SciPy 1.17.1, in float64: the inverse of `brentq(g, 0.05, 20, xtol=1e-15)`, where `g` is the
    /// derivative of the log loss, `(softmax(b * z) * z).sum(1) - z[y]`, summed.
    #[test]
    fn temperatures_are_those_of_scipy() {
        let (logits, labels) = three();
        let fitted = fit(
            CalibrationMethod::Temperature,
            &logits,
            &labels,
            Head::Softmax(3),
        );
        let found = found_temperature(&fitted);
        assert!((found - THREE).abs() < 1e-6, "{found}");
        let (logits, labels) = two();
        let fitted = fit(
            CalibrationMethod::Temperature,
            &logits,
            &labels,
            Head::Sigmoid,
        );
        let found = found_temperature(&fitted);
        assert!((found - TWO).abs() < 1e-6, "{found}");
    }

    const THREE: f64 = 2.882_102_374_591_123_6;
    const TWO: f64 = 1.387_601_591_767_528_6;

    /// Expected values from scikit-learn 1.9.1: `_sigmoid_calibration(z, y)` returns −0.618873506315 and 0.242616449797.
    /// The further digits are those of SciPy 1.17.1's `root` of the gradient of the same loss.
    #[test]
    fn platt_scaling_is_that_of_scikit_learn() {
        let (logits, labels) = two();
        let fitted = fit(CalibrationMethod::Platt, &logits, &labels, Head::Sigmoid);
        let Some(Calibration::Platt { slope, intercept }) = fitted.calibration else {
            panic!("{:?}", fitted.calibration);
        };
        assert!((slope - SLOPE).abs() < 1e-6, "{slope}");
        assert!((intercept - INTERCEPT).abs() < 1e-6, "{intercept}");
        assert!(fitted.note.unwrap().starts_with("Platt scaling, slope 0."));
    }

    const SLOPE: f64 = 0.618_873_506_315_520_2;
    const INTERCEPT: f64 = -0.242_616_449_796_883_07;

    /// Returns logits whose probabilities are right, and labels that are drawn from them.
    fn calibrated(images: usize, seed: u64) -> (Vec<f32>, Vec<u32>) {
        let mut rng = random::stream(seed, "calibrated", [0, 0]);
        let logits: Vec<f32> = (0..images).map(|_| rng.random_range(-4.0..4.0)).collect();
        let label = |z: &f32| u32::from(rng.random_range(0.0..1.0) < 1.0 / (1.0 + (-z).exp()));
        let labels = logits.iter().map(label).collect();
        (logits, labels)
    }

    /// The standard error of the inverse temperature is 1 / √(Σ p (1 − p) z²), about 0.014 for 20,000 images.
    #[test]
    fn logits_that_are_three_times_too_large_get_the_temperature_three() {
        let (logits, labels) = calibrated(20_000, 4);
        let large: Vec<f32> = logits.iter().map(|z| 3.0 * z).collect();
        let fitted = fit(
            CalibrationMethod::Temperature,
            &large,
            &labels,
            Head::Sigmoid,
        );
        let found = found_temperature(&fitted);
        assert!((found - 3.0).abs() < 0.2, "{found}");
        assert!(fitted.warnings.is_empty());
        let shifted: Vec<f32> = logits.iter().map(|z| 2.0 * z + 1.0).collect();
        let fitted = fit(CalibrationMethod::Platt, &shifted, &labels, Head::Sigmoid);
        let Some(Calibration::Platt { slope, intercept }) = fitted.calibration else {
            panic!("{:?}", fitted.calibration);
        };
        assert!((slope - 0.5).abs() < 0.03, "{slope}");
        assert!((intercept + 0.5).abs() < 0.1, "{intercept}");
    }

    #[test]
    fn separable_images_get_no_temperature_and_a_finite_line() {
        let logits: Vec<f32> = (0..200).map(|i| i as f32 / 10.0 - 9.95).collect();
        let labels: Vec<u32> = logits.iter().map(|&z| u32::from(z > 0.0)).collect();
        let fitted = fit(
            CalibrationMethod::Temperature,
            &logits,
            &labels,
            Head::Sigmoid,
        );
        assert_eq!(fitted.calibration, None);
        assert!(
            fitted.warnings[0]
                .starts_with("no temperature was fitted: the classes of all 200 validation images")
        );
        let fitted = fit(CalibrationMethod::Platt, &logits, &labels, Head::Sigmoid);
        assert!(
            matches!(fitted.calibration, Some(Calibration::Platt { slope, .. }) if slope < MOST)
        );
        assert!(fitted.warnings.is_empty(), "{:?}", fitted.warnings);
    }

    #[test]
    fn scores_that_say_nothing_end_at_a_bound_or_without_a_calibration() {
        let logits: Vec<f32> = (0..200).map(|i| i as f32 / 10.0 - 9.95).collect();
        let reversed: Vec<u32> = logits.iter().map(|&z| u32::from(z < 0.0)).collect();
        let of =
            |method, logits: &[f32], labels: &[u32]| fit(method, logits, labels, Head::Sigmoid);
        let fitted = of(CalibrationMethod::Temperature, &logits, &reversed);
        assert_eq!(fitted.calibration, Some(Calibration::Temperature(MOST)));
        assert!(fitted.warnings[0].starts_with("the temperature that fits best is beyond 20.00"));
        let fitted = of(CalibrationMethod::Platt, &logits, &reversed);
        assert!(
            matches!(fitted.calibration, Some(Calibration::Platt { slope, .. }) if slope == LEAST)
        );
        assert!(fitted.warnings[0].starts_with("the slope that fits best is -"));
        let same = of(CalibrationMethod::Platt, &[0.5; 4], &[0, 1, 1, 1]);
        assert!(same.calibration.is_none() && same.warnings[0].contains("the same probability"));
        let one_class = of(CalibrationMethod::Platt, &logits, &[1; 200]);
        assert!(one_class.calibration.is_none() && one_class.warnings[0].contains("of one class"));
        let few = of(CalibrationMethod::Temperature, &[1.0, 2.0], &[0, 1]);
        assert!(few.calibration.is_some());
        assert!(
            few.warnings[0].contains("fitted on only 2 validation images"),
            "{:?}",
            few.warnings
        );
    }

    proptest! {
        /// No other temperature has a lower loss, and a fit is never worse than none.
        #[test]
        fn the_loss_is_least(
            examples in prop::collection::vec((prop::array::uniform3(-8.0f32..8.0), 0u32..3), 3..40),
            other in 0.06f64..19.0,
        ) {
            let logits: Vec<f32> = examples.iter().flat_map(|(row, _)| *row).collect();
            let labels: Vec<u32> = examples.iter().map(|(_, label)| *label).collect();
            let plain = Head::Softmax(3).probabilities(&logits);
            let fitted = calibrate(CalibrationMethod::Temperature, plain.clone(), &labels, 3);
            let loss = |scores: &[f32]| log_loss(scores, &labels, 3).unwrap();
            if fitted.calibration.is_some() {
                let other = Calibration::Temperature(other).apply(&plain, 3);
                prop_assert!(loss(&fitted.scores) <= loss(&other) + 1e-6);
                prop_assert!(loss(&fitted.scores) <= loss(&plain) + 1e-6);
            } else {
                prop_assert_eq!(fitted.scores, plain);
            }
        }
    }
}
