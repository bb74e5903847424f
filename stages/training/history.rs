//! The history of a training, epoch by epoch, as a table and as curves.

use std::path::Path;

use contract::{
    ANY, Failure, HISTORY_FILE, METRICS_FILE, MetricInfo, Metrics, NOT_NEGATIVE, SHARE, json,
};
use serde::{Deserialize, Serialize};

use crate::figures::chart::{Series, line_chart};
use crate::nets::Calibration;

/// The metrics of a training.
pub const HISTORY_METRICS: &[MetricInfo] = &[
    VALIDATION_LOSS,
    VALIDATION_ACCURACY,
    VALIDATION_AUC,
    LOSS,
    ACCURACY,
    EPOCHS,
    BEST_EPOCH,
    TEMPERATURE,
    PLATT_SLOPE,
    PLATT_INTERCEPT,
];

const EPOCH: [f64; 2] = [1.0, f64::INFINITY];

/// Role of the input with the validation images.
pub const VALIDATION_INPUT: &str = "validation";

const VALIDATION_LOSS: MetricInfo = MetricInfo::new(
    "validation_loss",
    "cross-entropy of the network on the validation images, before calibration",
    NOT_NEGATIVE,
)
.minimized()
.needs(VALIDATION_INPUT);
const VALIDATION_ACCURACY: MetricInfo = MetricInfo::new(
    "validation_accuracy",
    "share of the validation images whose class is the most probable one",
    SHARE,
)
.maximized()
.needs(VALIDATION_INPUT);
const VALIDATION_AUC: MetricInfo = MetricInfo::new(
    "validation_auc",
    "area under the ROC curve on the validation images, for two classes",
    SHARE,
)
.maximized()
.needs(VALIDATION_INPUT);
const LOSS: MetricInfo = MetricInfo::new(
    "loss",
    "cross-entropy in the best epoch, on the training images",
    NOT_NEGATIVE,
)
.minimized();
const ACCURACY: MetricInfo = MetricInfo::new(
    "accuracy",
    "share of the training images that were classified correctly in the best epoch",
    SHARE,
)
.maximized();
const EPOCHS: MetricInfo =
    MetricInfo::new("epochs", "number of epochs of the training", EPOCH).unit("epochs");
const BEST_EPOCH: MetricInfo =
    MetricInfo::new("best_epoch", "epoch whose weights are kept, from 1", EPOCH);

const TEMPERATURE: MetricInfo = MetricInfo::new(
    "temperature",
    "number that divides the logits, with `calibration: temperature`; above 1, the network was overconfident",
    [Calibration::LEAST, Calibration::MOST],
)
.needs(VALIDATION_INPUT);
const PLATT_SLOPE: MetricInfo = MetricInfo::new(
    "platt_slope",
    "number that multiplies the logits, with `calibration: platt`; below 1, the network was overconfident",
    [Calibration::LEAST, Calibration::MOST],
)
.needs(VALIDATION_INPUT);
const PLATT_INTERCEPT: MetricInfo = MetricInfo::new(
    "platt_intercept",
    "number that is then added to the logits, with `calibration: platt`",
    ANY,
)
.needs(VALIDATION_INPUT);

/// Results of one epoch, measured during training: `batch_norm` layers predict with running statistics. Times are not
/// included, so that a history is the same wherever it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// Number of the epoch, counted from 1.
    pub epoch: usize,
    pub learning_rate: f64,
    /// Mean cross-entropy over the epoch's images, each weighted by its class, without penalties on
    /// weights.
    pub loss: f64,
    pub accuracy: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
}

/// Measures on the validation images after an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    pub loss: f64,
    pub accuracy: f64,
    /// Area under the ROC curve; `None` for more than two classes, or if one of them has no image.
    pub auc: Option<f64>,
}

/// Writes `history.json`, `history.csv` and `metrics.json` to `metrics`, and `accuracy.png` and `loss.png` to `figure`.
/// `best` is the epoch whose weights are kept, and `validation` are the measures of the network that is kept, before its
/// `calibration`.
/// `penalized` says whether training minimized penalties as well, which the losses do not include.
pub fn write_history(
    rows: &[EpochRow],
    best: usize,
    validation: Option<&Validation>,
    calibration: Option<Calibration>,
    penalized: bool,
    metrics: &Path,
    figure: &Path,
) -> Result<(), Failure> {
    json::write(&metrics.join("history.json"), &rows)?;
    let table = metrics.join(HISTORY_FILE);
    std::fs::write(&table, csv(rows)).map_err(|e| Failure::io("write", &table, e))?;
    json::write(
        &metrics.join(METRICS_FILE),
        &summary(rows, best, validation, calibration),
    )?;

    let curve = |name: &str, dashed: bool, of: &dyn Fn(&EpochRow) -> Option<f64>| Series {
        name: name.to_owned(),
        points: rows
            .iter()
            .filter_map(|row| Some((row.epoch as f64, of(row)?)))
            .collect(),
        dashed,
    };
    let accuracy = [
        curve("training", false, &|row| Some(row.accuracy)),
        curve("validation", true, &|row| {
            row.validation.as_ref().map(|v| v.accuracy)
        }),
    ];
    let loss = [
        curve("training", false, &|row| Some(row.loss)),
        curve("validation", true, &|row| {
            row.validation.as_ref().map(|v| v.loss)
        }),
    ];
    line_chart(
        &figure.join("accuracy.png"),
        "Accuracy",
        "epoch",
        "accuracy",
        &accuracy,
    )?;
    line_chart(
        &figure.join("loss.png"),
        "Loss",
        "epoch",
        loss_label(penalized),
        &loss,
    )
}

/// Returns the label of the losses' axis. A loss with penalties cannot be compared with that of another network, so
/// they are left out, and the label says so.
fn loss_label(penalized: bool) -> &'static str {
    if penalized {
        "cross-entropy without L1 and L2 penalties"
    } else {
        "cross-entropy"
    }
}

fn csv(rows: &[EpochRow]) -> String {
    let mut text = String::from(
        "epoch,learning_rate,loss,accuracy,validation_loss,validation_accuracy,validation_auc\n",
    );
    for row in rows {
        let optional = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let validation = row.validation.as_ref();
        let fields = [
            row.epoch.to_string(),
            row.learning_rate.to_string(),
            row.loss.to_string(),
            row.accuracy.to_string(),
            optional(validation.map(|v| v.loss)),
            optional(validation.map(|v| v.accuracy)),
            optional(validation.and_then(|v| v.auc)),
        ];
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

fn summary(
    rows: &[EpochRow],
    best: usize,
    validation: Option<&Validation>,
    calibration: Option<Calibration>,
) -> Metrics {
    let mut metrics = Metrics::new();
    let mut add = |info: &MetricInfo, value: f64| {
        metrics.insert(info.name.clone().into_owned(), info.measured(value));
    };
    add(&EPOCHS, rows.len() as f64);
    add(&BEST_EPOCH, best as f64);
    if let Some(row) = rows.iter().find(|row| row.epoch == best) {
        add(&LOSS, row.loss);
        add(&ACCURACY, row.accuracy);
    }
    if let Some(validation) = validation {
        add(&VALIDATION_LOSS, validation.loss);
        add(&VALIDATION_ACCURACY, validation.accuracy);
        if let Some(auc) = validation.auc {
            add(&VALIDATION_AUC, auc);
        }
    }
    match calibration {
        Some(Calibration::Temperature(temperature)) => add(&TEMPERATURE, temperature),
        Some(Calibration::Platt { slope, intercept }) => {
            add(&PLATT_SLOPE, slope);
            add(&PLATT_INTERCEPT, intercept);
        }
        None => {}
    }
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validation(loss: f64) -> Validation {
        Validation {
            loss,
            accuracy: 1.0 - loss,
            auc: None,
        }
    }

    #[test]
    fn the_summary_is_of_the_network_that_is_kept() {
        let rows = [(1, 0.3), (2, 0.5)].map(|(epoch, loss)| EpochRow {
            epoch,
            learning_rate: 0.1,
            loss: loss / 2.0,
            accuracy: 0.5,
            validation: Some(validation(loss)),
        });
        let calibration = Some(Calibration::Temperature(1.5));
        let summary = summary(&rows, 1, Some(&validation(0.25)), calibration);
        let values: Vec<(&str, f64)> = summary
            .iter()
            .map(|(name, metric)| (name.as_str(), metric.value))
            .collect();
        let expected = [
            ("accuracy", 0.5),
            ("best_epoch", 1.0),
            ("epochs", 2.0),
            ("loss", 0.15),
            ("temperature", 1.5),
            ("validation_accuracy", 0.75),
            ("validation_loss", 0.25),
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn the_axis_of_losses_says_that_they_are_without_penalties() {
        assert_eq!(loss_label(false), "cross-entropy");
        assert_eq!(
            loss_label(true),
            "cross-entropy without L1 and L2 penalties"
        );
    }
}
