//! Compares predicted probabilities with observed frequencies, before and after calibration.

use std::path::Path;

use contract::analysis::{
    Calibrated, CalibrationReport, Figure, FittedCalibration, WithinBins, three_decimals,
};
use contract::{Failure, Metrics, json};

use crate::figures;
use crate::metrics::{Bootstrap, Measure, Predictions, measure_calibration};
use crate::nets::Calibration;

/// Name of the file with the measures of calibration and the bins of the reliability diagram.
pub const CALIBRATION_FILE: &str = "calibration.json";

/// Name of the reliability diagram.
const FIGURE: &str = "reliability.png";

/// Number of bars of the histogram of probabilities.
pub(crate) const BARS: usize = 20;

/// Number of draws of classes for the ECE of right probabilities.
const DRAWS: usize = 1000;

/// The probabilities before a calibration, and the calibration.
pub(super) struct Before<'a> {
    pub(super) probabilities: &'a [f32],
    pub(super) calibration: Calibration,
    /// Number of images that it was fitted on, if it is known.
    pub(super) fitted_on: Option<usize>,
}

/// Computes the report. `metrics` are those of `predictions`; those before calibration are computed from the same
/// resamples.
pub(super) fn report(
    predictions: &Predictions<'_>,
    metrics: &Metrics,
    (classes, positive): (&[String], usize),
    before: Option<&Before<'_>>,
    bootstrap: &Bootstrap,
) -> CalibrationReport {
    let measured = Measure::OF_CALIBRATION.into_iter().filter_map(|measure| {
        let metric = metrics.get(measure.name())?;
        Some((measure.name().to_owned(), metric.clone()))
    });
    let uncalibrated = before.map(|before| {
        let predictions = Predictions {
            probabilities: before.probabilities,
            ..*predictions
        };
        let metrics = measure_calibration(&predictions, classes, positive, bootstrap);
        side(&predictions, positive, metrics, bootstrap)
    });
    CalibrationReport {
        class: classes[positive].clone(),
        images: predictions.labels.len() as u64,
        calibration: before.map(fitted),
        predicted: side(predictions, positive, measured.collect(), bootstrap),
        uncalibrated,
    }
}

fn fitted(before: &Before<'_>) -> FittedCalibration {
    let (method, parameters) = match before.calibration {
        Calibration::Temperature(temperature) => {
            ("temperature", vec![("temperature", temperature)])
        }
        Calibration::Platt { slope, intercept } => {
            ("platt", vec![("slope", slope), ("intercept", intercept)])
        }
    };
    FittedCalibration {
        method: method.to_owned(),
        parameters: parameters
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        images: before.fitted_on.map(|images| images as u64),
    }
}

fn side(
    predictions: &Predictions<'_>,
    positive: usize,
    metrics: Metrics,
    bootstrap: &Bootstrap,
) -> Calibrated {
    let ordered = predictions.ordered(positive);
    let weights = vec![1; predictions.labels.len()];
    let within = ordered.brier_parts(&weights).map(|parts| WithinBins {
        variance: parts.variance_within,
        covariance: parts.covariance_within,
    });
    Calibrated {
        metrics,
        ece_if_calibrated: ordered.ece_if_calibrated(DRAWS, bootstrap.seed),
        brier_within_bins: within.unwrap_or_default(),
        bins: ordered.bins(bootstrap.units.over()),
        histogram: ordered.histogram(BARS),
    }
}

/// Writes [`CALIBRATION_FILE`], and the reliability diagram if there are images.
pub(super) fn write(
    report: &CalibrationReport,
    tables: &Path,
    figure: &Path,
) -> Result<(), Failure> {
    json::write(&tables.join(CALIBRATION_FILE), report)?;
    if report.images == 0 {
        return Ok(());
    }
    let diagram = report.figure();
    figures::draw(&Figure::Reliability(&diagram), &figure.join(FIGURE))
}

/// Formats `ECE 0.034 after calibration (temperature 1.420, fitted on 52 validation images), 0.081 before`; `None`
/// without a calibration.
pub(super) fn note(report: &CalibrationReport) -> Option<String> {
    let before = report.uncalibrated.as_ref()?;
    let fitted = report.calibration.as_ref()?;
    let ece = |side| three_decimals(value(side, Measure::Ece));
    Some(format!(
        "ECE of {} {} after calibration ({}), {} before",
        report.class,
        ece(&report.predicted),
        fitted.text(),
        ece(before)
    ))
}

/// Warns if the calibration made both the ECE and the Brier score worse, as far as three decimals show it.
pub(super) fn warning(report: &CalibrationReport) -> Option<String> {
    let before = report.uncalibrated.as_ref()?;
    let fitted = report.calibration.as_ref()?;
    let compared = |measure: Measure| -> Option<[f64; 2]> {
        let [after, before] = [&report.predicted, before].map(|side| value(side, measure));
        let both = [after?, before?];
        (three_decimals(Some(both[0])) != three_decimals(Some(both[1])) && both[0] > both[1])
            .then_some(both)
    };
    let [ece, ece_before] = compared(Measure::Ece)?;
    let [brier, brier_before] = compared(Measure::Brier)?;
    Some(format!(
        "calibration made the probabilities of these images worse: ECE of {} {ece:.3}, before {ece_before:.3}; Brier \
         score {brier:.3}, before {brier_before:.3} ({}); they differ from the validation images, or those are few",
        report.class,
        fitted.text()
    ))
}

/// Returns the value of a measure, if it is defined.
fn value(side: &Calibrated, measure: Measure) -> Option<f64> {
    let value = side.metrics.get(measure.name())?.value;
    value.is_finite().then_some(value)
}

/// Reads the content of [`CALIBRATION_FILE`].
pub fn read(content: &[u8]) -> Result<CalibrationReport, String> {
    serde_json::from_slice(content)
        .map_err(|e| format!("`{CALIBRATION_FILE}` is not a report on calibration: {e}"))
}

#[cfg(test)]
mod tests {
    use contract::random;
    use rand::RngExt;

    use super::*;
    use crate::metrics::{Decision, measure};
    use crate::nets::Head;

    /// Probabilities of a network whose logits are three times too large, before and after division by 3, and labels.
    fn simulated() -> (Vec<f32>, Vec<f32>, Vec<u32>) {
        let mut rng = random::stream(2, "overconfident", [0, 0]);
        let logits: Vec<f32> = (0..2000).map(|_| rng.random_range(-3.0..3.0)).collect();
        let label = |z: &f32| u32::from(rng.random_range(0.0..1.0) < 1.0 / (1.0 + (-z).exp()));
        let labels = logits.iter().map(label).collect();
        let large: Vec<f32> = logits.iter().map(|z| 3.0 * z).collect();
        let network = Head::Sigmoid.probabilities(&large);
        let calibrated = Calibration::Temperature(3.0).apply(&network, 2);
        (network, calibrated, labels)
    }

    #[test]
    fn a_report_compares_both_sides_on_the_same_resamples() {
        let folder = tempfile::tempdir().unwrap();
        let classes = ["NORMAL", "PNEUMONIA"].map(str::to_owned);
        let (network, calibrated, labels) = simulated();
        let predictions = Predictions {
            probabilities: &calibrated,
            labels: &labels,
            classes: 2,
        };
        let before = Before {
            probabilities: &network,
            calibration: Calibration::Temperature(3.0),
            fitted_on: Some(500),
        };
        let bootstrap = Bootstrap::of_images(labels.len(), 60, 4);
        let metrics = measure(
            &predictions,
            &classes,
            Decision::MostProbable,
            1,
            &bootstrap,
        );
        let report = report(
            &predictions,
            &metrics,
            (&classes, 1),
            Some(&before),
            &bootstrap,
        );
        assert_eq!(warning(&report), None);
        // The other way round, the calibration is the fault.
        let swapped = CalibrationReport {
            predicted: report.uncalibrated.clone().unwrap(),
            uncalibrated: Some(report.predicted.clone()),
            ..report.clone()
        };
        let text = warning(&swapped).unwrap();
        let start = "calibration made the probabilities of these images worse: ECE of PNEUMONIA 0.";
        let end = " (temperature 3.000, fitted on 500 validation images); they differ from the validation images, or \
                   those are few";
        assert!(text.starts_with(start) && text.ends_with(end), "{text}");
        // One worse measure alone may be chance.
        let mut one = swapped.clone();
        let brier = report.predicted.metrics["brier"].clone();
        one.predicted.metrics.insert("brier".to_owned(), brier);
        assert_eq!(warning(&one), None);
        let value = |side: &Calibrated, name: &str| side.metrics[name].value;
        let (after, before) = (&report.predicted, report.uncalibrated.as_ref().unwrap());
        assert_eq!(before.metrics.len(), Measure::OF_CALIBRATION.len());
        let slopes = [before, after].map(|side| value(side, "calibration_slope"));
        assert!((slopes[1] - 3.0 * slopes[0]).abs() < 1e-4, "{slopes:?}");
        assert!((slopes[1] - 1.0).abs() < 0.15, "{slopes:?}");
        for name in ["ece", "log_loss", "brier", "brier_reliability"] {
            assert!(value(after, name) < value(before, name), "{name}");
        }
        for side in [before, after] {
            let sum = value(side, "brier_reliability") - value(side, "brier_resolution")
                + value(side, "brier_uncertainty");
            assert!((sum - value(side, "brier")).abs() < 1e-7);
            assert_eq!(side.bins.iter().map(|bin| bin.images).sum::<u64>(), 2000);
            assert_eq!(side.histogram.iter().sum::<u64>(), 2000);
            for (name, metric) in &side.metrics {
                let [low, high] = metric.interval.unwrap();
                assert!((low..=high).contains(&metric.value), "{name}: {metric:?}");
            }
        }
        // Right probabilities have an ECE as low as expected of them, overconfident ones do not.
        let most = |side: &Calibrated| side.ece_if_calibrated.unwrap().interval[1];
        assert!(value(after, "ece") < 1.5 * most(after));
        assert!(value(before, "ece") > 2.0 * most(before));

        write(&report, folder.path(), folder.path()).unwrap();
        let content = std::fs::read(folder.path().join(CALIBRATION_FILE)).unwrap();
        assert_eq!(read(&content).unwrap(), report);
        assert!(image::open(folder.path().join(FIGURE)).is_ok());
        let note = note(&report).unwrap();
        let expected =
            " after calibration (temperature 3.000, fitted on 500 validation images), 0.";
        assert!(
            note.starts_with("ECE of PNEUMONIA 0.0") && note.contains(expected),
            "{note}"
        );
        assert!(
            read(b"{}")
                .unwrap_err()
                .starts_with("`calibration.json` is not a report")
        );
    }

    #[test]
    fn without_a_calibration_there_is_one_side_and_without_images_no_figure() {
        let folder = tempfile::tempdir().unwrap();
        let classes = ["A", "B", "C"].map(str::to_owned);
        let predictions = Predictions {
            probabilities: &[],
            labels: &[],
            classes: 3,
        };
        let bootstrap = Bootstrap::of_images(0, 10, 0);
        let metrics = measure(
            &predictions,
            &classes,
            Decision::MostProbable,
            2,
            &bootstrap,
        );
        let report = report(&predictions, &metrics, (&classes, 2), None, &bootstrap);
        assert_eq!((note(&report), &report.uncalibrated), (None, &None));
        assert_eq!(report.predicted.ece_if_calibrated, None);
        write(&report, folder.path(), folder.path()).unwrap();
        assert!(!folder.path().join(FIGURE).exists());
    }
}
