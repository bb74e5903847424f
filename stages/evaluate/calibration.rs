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
        side(&predictions, positive, metrics, bootstrap.seed)
    });
    CalibrationReport {
        class: classes[positive].clone(),
        images: predictions.labels.len() as u64,
        calibration: before.map(fitted),
        predicted: side(predictions, positive, measured.collect(), bootstrap.seed),
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

fn side(predictions: &Predictions<'_>, positive: usize, metrics: Metrics, seed: u64) -> Calibrated {
    let ordered = predictions.ordered(positive);
    let weights = vec![1; predictions.labels.len()];
    let within = ordered.brier_parts(&weights).map(|parts| WithinBins {
        variance: parts.variance_within,
        covariance: parts.covariance_within,
    });
    Calibrated {
        metrics,
        ece_if_calibrated: ordered.ece_if_calibrated(DRAWS, seed),
        brier_within_bins: within.unwrap_or_default(),
        bins: ordered.bins(),
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
    let ece = |side: &Calibrated| {
        let metric = side.metrics.get(Measure::Ece.name());
        three_decimals(
            metric
                .map(|metric| metric.value)
                .filter(|value| value.is_finite()),
        )
    };
    Some(format!(
        "ECE of {} {} after calibration ({}), {} before",
        report.class,
        ece(&report.predicted),
        fitted.text(),
        ece(before)
    ))
}

/// Reads the content of [`CALIBRATION_FILE`].
pub fn read(content: &[u8]) -> Result<CalibrationReport, String> {
    serde_json::from_slice(content)
        .map_err(|e| format!("`{CALIBRATION_FILE}` is not a report on calibration: {e}"))
}
