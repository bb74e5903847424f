//! The losses of a training, epoch by epoch, as metrics and as a figure.

use std::path::Path;

use contract::{Failure, METRICS_FILE, MetricInfo, Metrics, NOT_NEGATIVE, json};

use crate::figures::chart::{Series, line_chart};
use crate::gan::GanEpoch;

/// Losses of adversaries are neutral: a low loss of one means that the other is weak, and says nothing about the
/// images.
const DISCRIMINATOR_LOSS: MetricInfo = MetricInfo::new(
    "discriminator_loss",
    "cross-entropy of the discriminator in the last epoch",
    NOT_NEGATIVE,
);
const GENERATOR_LOSS: MetricInfo = MetricInfo::new(
    "generator_loss",
    "cross-entropy of the generator in the last epoch",
    NOT_NEGATIVE,
);
/// The metrics of a training.
pub(super) const METRICS: &[MetricInfo] = &[DISCRIMINATOR_LOSS, GENERATOR_LOSS];

/// Writes the losses as `history.json` and `metrics.json` to `metrics`, and as `losses.png` to `figure`.
pub(super) fn write_history(
    history: &[GanEpoch],
    metrics: &Path,
    figure: &Path,
) -> Result<(), Failure> {
    json::write(&metrics.join("history.json"), history)?;
    let last: Metrics = history
        .last()
        .into_iter()
        .flat_map(|last| {
            [
                (DISCRIMINATOR_LOSS, last.discriminator_loss),
                (GENERATOR_LOSS, last.generator_loss),
            ]
        })
        .map(|(info, value)| (info.name.clone().into_owned(), info.measured(value)))
        .collect();
    json::write(&metrics.join(METRICS_FILE), &last)?;
    let curve = |name: &str, dashed: bool, of: fn(&GanEpoch) -> f64| Series {
        name: name.to_owned(),
        points: history
            .iter()
            .map(|row| (row.epoch as f64, of(row)))
            .collect(),
        dashed,
    };
    let curves = [
        curve("discriminator", false, |row| row.discriminator_loss),
        curve("generator", true, |row| row.generator_loss),
    ];
    line_chart(
        &figure.join("losses.png"),
        "DCGAN losses",
        "epoch",
        "cross-entropy",
        &curves,
    )
}
