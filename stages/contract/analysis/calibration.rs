//! [`CalibrationReport`]: how well probabilities agree with observed frequencies, before and after calibration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figure::{Bin, Estimate, Reliability, ReliabilityCurve};
use super::{Interval, Over, three_decimals};
use crate::{Metric, Metrics};

/// Name of the metric in the legend of a reliability diagram.
const ECE: &str = "ece";

/// Comparison of the probabilities of one class with its observed frequency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationReport {
    /// Name of the class: the positive one.
    pub class: String,
    /// Number of test images.
    pub images: u64,
    /// `None` if the probabilities are those of the network.
    pub calibration: Option<FittedCalibration>,
    /// The probabilities that decide, after calibration if there is one.
    pub predicted: Calibrated,
    /// The probabilities before calibration; `None` without a calibration.
    pub uncalibrated: Option<Calibrated>,
}

/// A calibration that is stored with a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedCalibration {
    /// `temperature` or `platt`.
    pub method: String,
    pub parameters: BTreeMap<String, f64>,
    /// Number of validation images that it was fitted on, if it is known.
    pub images: Option<u64>,
}

/// Measures and bins of a set of probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// The measures of calibration, by name.
    pub metrics: Metrics,
    /// The ECE that right probabilities of this distribution would have, because bins hold few images; `None` without
    /// images.
    pub ece_if_calibrated: Option<ExpectedEce>,
    /// Terms of the Brier score within bins, which `brier_resolution` includes, for the class against all others.
    pub brier_within_bins: WithinBins,
    /// Bins with images, by ascending probability.
    pub bins: Vec<Bin>,
    /// Number of images in each of equally wide parts of the probabilities from 0 to 1.
    pub histogram: Vec<u64>,
}

/// Distribution of the ECE over classes that are drawn from the probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedEce {
    pub mean: f64,
    /// The 2.5 and 97.5 % percentiles.
    pub interval: [f64; 2],
}

/// Terms of the Brier score within bins (Stephenson, Coelho and Jolliffe, 2008).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WithinBins {
    /// Mean squared distance of probabilities from the mean of their bin.
    pub variance: f64,
    /// Twice the covariance of probabilities and classes within bins.
    pub covariance: f64,
}

impl FittedCalibration {
    /// Formats `temperature 1.420, fitted on 52 validation images`.
    pub fn text(&self) -> String {
        let parameters = self
            .parameters
            .iter()
            .map(|(name, value)| format!("{name} {value:.3}"));
        let parameters = parameters.collect::<Vec<_>>().join(", ");
        let named = match self.parameters.contains_key(&self.method) {
            true => parameters,
            false => format!("{}: {parameters}", self.method),
        };
        match self.images {
            Some(images) => format!("{named}, fitted on {images} validation images"),
            None => named,
        }
    }
}

impl CalibrationReport {
    /// Titles of the columns of [`CalibrationReport::rows`].
    pub fn header(&self) -> Vec<&'static str> {
        match self.uncalibrated {
            Some(_) => vec!["metric", "before", "interval", "after", "interval"],
            None => vec!["metric", "value", "interval"],
        }
    }

    /// Returns a row of texts for each metric: its name, and value and interval of each set of probabilities.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let sides = || self.uncalibrated.iter().chain([&self.predicted]);
        let metric = |name: &str| {
            let cells = sides().flat_map(|side| {
                let metric = side.metrics.get(name);
                let value = metric
                    .map(|metric| metric.value)
                    .filter(|value| value.is_finite());
                [
                    three_decimals(value),
                    between(metric.and_then(|metric| metric.interval)),
                ]
            });
            std::iter::once(name.to_owned()).chain(cells).collect()
        };
        let mut rows: Vec<Vec<String>> = Vec::new();
        for name in self.predicted.metrics.keys() {
            rows.push(metric(name));
            if name == ECE {
                let cells = sides().flat_map(|side| {
                    let expected = side.ece_if_calibrated;
                    [
                        three_decimals(expected.map(|ece| ece.mean)),
                        between(expected.map(|ece| ece.interval)),
                    ]
                });
                let name = "ece of right probabilities".to_owned();
                rows.push(std::iter::once(name).chain(cells).collect());
            }
        }
        rows
    }

    /// Returns the source of variation that the intervals cover; `None` without intervals.
    pub fn over(&self) -> Option<Over> {
        self.predicted
            .metrics
            .values()
            .find_map(|metric| metric.over)
    }

    /// Returns the reliability diagram.
    pub fn figure(&self) -> Reliability {
        let curve = |name: &str, side: &Calibrated| ReliabilityCurve {
            name: name.to_owned(),
            ece: estimate(side.metrics.get(ECE)),
            bins: side.bins.clone(),
            histogram: side.histogram.clone(),
        };
        let curves = match &self.uncalibrated {
            Some(before) => vec![curve("after", &self.predicted), curve("before", before)],
            None => vec![curve("", &self.predicted)],
        };
        Reliability {
            class: self.class.clone(),
            curves,
        }
    }
}

/// Formats `[0.012, 0.034]`, or nothing.
fn between(interval: Option<[f64; 2]>) -> String {
    interval.map_or_else(String::new, |[low, high]| format!("[{low:.3}, {high:.3}]"))
}

fn estimate(metric: Option<&Metric>) -> Estimate {
    let over = metric
        .and_then(|metric| metric.over)
        .unwrap_or(Over::Images);
    let ends = metric.and_then(|metric| metric.interval);
    Estimate {
        value: metric.map_or(f64::NAN, |metric| metric.value),
        interval: ends.map(|ends| Interval { ends, over }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(ece: f64) -> Calibrated {
        let metric = Metric {
            interval: Some([ece / 2.0, 2.0 * ece]),
            over: Some(Over::Groups),
            ..Metric::new(ece, None)
        };
        Calibrated {
            metrics: [
                (ECE.to_owned(), metric),
                ("calibration_slope".to_owned(), Metric::new(f64::NAN, None)),
            ]
            .into(),
            ece_if_calibrated: Some(ExpectedEce {
                mean: 0.02,
                interval: [0.01, 0.03],
            }),
            brier_within_bins: WithinBins::default(),
            bins: Vec::new(),
            histogram: vec![0; 20],
        }
    }

    fn report() -> CalibrationReport {
        CalibrationReport {
            class: "PNEUMONIA".to_owned(),
            images: 400,
            calibration: Some(FittedCalibration {
                method: "temperature".to_owned(),
                parameters: [("temperature".to_owned(), 1.42)].into(),
                images: Some(52),
            }),
            predicted: side(0.025),
            uncalibrated: Some(side(0.125)),
        }
    }

    #[test]
    fn rows_have_both_sides_with_intervals() {
        let report = report();
        assert_eq!(report.header().len(), 5);
        let rows = report.rows();
        let expected = [
            vec!["calibration_slope", "undefined", "", "undefined", ""],
            vec!["ece", "0.125", "[0.062, 0.250]", "0.025", "[0.013, 0.050]"],
            vec![
                "ece of right probabilities",
                "0.020",
                "[0.010, 0.030]",
                "0.020",
                "[0.010, 0.030]",
            ],
        ];
        assert_eq!(rows, expected);
        assert_eq!(report.over(), Some(Over::Groups));
        let alone = CalibrationReport {
            uncalibrated: None,
            calibration: None,
            ..report
        };
        assert_eq!((alone.header().len(), alone.rows()[0].len()), (3, 3));
        assert_eq!(alone.figure().curves.len(), 1);
    }

    #[test]
    fn a_fit_is_named_with_its_parameters() {
        let temperature = report().calibration.unwrap();
        assert_eq!(
            temperature.text(),
            "temperature 1.420, fitted on 52 validation images"
        );
        let platt = FittedCalibration {
            method: "platt".to_owned(),
            parameters: [("slope".to_owned(), 0.5), ("intercept".to_owned(), -0.25)].into(),
            images: None,
        };
        assert_eq!(platt.text(), "platt: intercept -0.250, slope 0.500");
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let mut report = report();
        let text = serde_json::to_string(&report).unwrap();
        let mut read: CalibrationReport = serde_json::from_str(&text).unwrap();
        // An undefined value is NaN, which equals nothing.
        for side in [&mut report, &mut read] {
            side.predicted.metrics.remove("calibration_slope");
            side.uncalibrated = None;
        }
        assert_eq!(read, report);
    }
}
