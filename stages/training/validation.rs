//! Measures a classifier on validation images, and chooses its threshold on them.

use contract::{Context, Failure};
use ops::Backend;

use super::features::Features;
use super::history::Validation;
use super::recipe::{CalibrationMethod, Recipe, ThresholdRule};
use super::stopping::Monitor;
use crate::data::Dataset;
use crate::metrics::{self, Chosen};
use crate::nets::{Head, Mode, Network, predict, predict_by};

/// Returns the validation images, if there are any. A dataset that sets none aside has an empty validation
/// part.
pub(super) fn usable<'a>(
    validation: Option<&'a Dataset>,
    recipe: &Recipe,
    context: &Context<'_>,
) -> Result<Option<&'a Dataset>, Failure> {
    let Some(dataset) = validation else {
        return Ok(None);
    };
    let Some(first) = dataset.labels().first() else {
        let needing = [
            ("early_stopping", recipe.early_stopping.is_some()),
            ("calibration", recipe.calibration != CalibrationMethod::None),
        ];
        if let Some((name, _)) = needing.into_iter().find(|(_, needs)| *needs) {
            return Err(Failure::Data(format!(
                "input `validation` has no images, but `{name}` needs them: set some aside or remove `{name}`"
            )));
        }
        context.warn("input `validation` has no images: the last epoch's weights are kept");
        return Ok(None);
    };
    if recipe.monitor == Monitor::Auc && dataset.labels().iter().all(|label| label == first) {
        return Err(Failure::Data(format!(
            "all validation images are of class `{}`, so `validation_auc` is undefined",
            dataset.classes()[*first as usize]
        )));
    }
    Ok(Some(dataset))
}

/// Images per batch for predictions on validation images. Does not affect results.
const VALIDATION_BATCH: usize = 64;

/// Class probabilities of the validation images, and the measures computed from them.
pub(super) struct Validated {
    pub scores: Vec<f32>,
    pub measures: Validation,
}

/// Predicts the images of `dataset`, and measures the predictions. `features` are those of the frozen layers for these
/// images, if they are kept.
pub(super) fn validate<B: Backend>(
    network: &mut Network<B>,
    head: Head,
    dataset: &Dataset,
    features: Option<&Features>,
    context: &Context<'_>,
) -> Result<Validated, Failure> {
    let scores = match features {
        None => predict(network, head, dataset, VALIDATION_BATCH, context)?,
        Some(features) => {
            let logits = |network: &mut Network<B>, batch: &[usize]| {
                let features = features.batch(batch, network.device());
                network.forward_rest(features, Mode::Predict)
            };
            predict_by(
                network,
                head,
                dataset.len(),
                VALIDATION_BATCH,
                context,
                logits,
            )?
        }
    };
    Ok(Validated {
        measures: measure(&scores, dataset.labels(), head),
        scores,
    })
}

/// Computes loss, accuracy and area under the curve from class probabilities.
fn measure(scores: &[f32], labels: &[u32], head: Head) -> Validation {
    let classes = head.classes();
    let rows = || scores.chunks_exact(classes).zip(labels);
    let highest = |row: &[f32]| {
        row.iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1))
            .map(|(class, _)| class)
    };
    let correct = rows()
        .filter(|&(row, &label)| highest(row) == Some(label as usize))
        .count();
    let auc = (classes == 2)
        .then(|| metrics::roc_auc(&positives(scores), &binary(labels)))
        .flatten();
    Validation {
        loss: metrics::log_loss(scores, labels, classes).unwrap_or(f64::NAN),
        accuracy: correct as f64 / labels.len() as f64,
        auc,
    }
}

/// Returns the threshold between two classes. One that is chosen needs validation images, and their scores; `None` if
/// there are none.
pub(super) fn threshold(
    rule: ThresholdRule,
    scores: &[f32],
    validation: Option<&Dataset>,
) -> Option<Chosen> {
    match rule {
        ThresholdRule::Fixed(threshold) => Some(Chosen {
            threshold,
            reaches: true,
        }),
        ThresholdRule::Chosen(criterion) => {
            let labels = binary(validation?.labels());
            Some(criterion.choose(&positives(scores), &labels))
        }
    }
}

/// Returns the second of two columns.
fn positives(scores: &[f32]) -> Vec<f32> {
    scores.iter().skip(1).step_by(2).copied().collect()
}

fn binary(labels: &[u32]) -> Vec<bool> {
    labels.iter().map(|&label| label == 1).collect()
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, StandardNormal};
    use serde_json::json;
    use statrs::distribution::{ContinuousCDF, Normal};

    use super::*;
    use crate::metrics::Criterion;
    use crate::training::testing::{PIXEL, dataset};

    /// (ln(1 + e²⁰) + 4·ln(1 + e⁻²⁰)) / 5. From 1 − 1 = 0 in single precision, the first term would be 87.3.
    #[test]
    fn a_confident_error_has_the_loss_of_its_logit() {
        let scores = Head::Sigmoid.probabilities(&[20.0, 20.0, -20.0, 20.0, -20.0]);
        let measured = measure(&scores, &[0, 1, 0, 1, 0], Head::Sigmoid);
        assert!((measured.loss - 4.0).abs() < 1e-7, "{}", measured.loss);
        assert_eq!(measured.accuracy, 0.8);
    }
    /// Logits from N(±δ²/2, δ²) are those of exact probabilities if both classes weigh the same: they are the
    /// logarithms of the ratio of the two densities. Sensitivity + specificity is then
    /// Φ((δ²/2 − t)/δ) + Φ((δ²/2 + t)/δ) at the logit t, which is highest at 0. With δ = 2.5, the area under the curve
    /// is Φ(δ/√2) = 0.96, as on chest X-rays.
    #[test]
    fn the_default_threshold_beats_one_chosen_on_500_images() {
        const SEPARATION: f64 = 2.5;
        const DRAWS: u64 = 40;
        let default: Recipe = serde_json::from_value(json!({ "model": [] })).unwrap();
        let middle = SEPARATION * SEPARATION / 2.0;
        let labels = (0..500).map(|image| u32::from(image % 4 > 0));
        let images = dataset(PIXEL, labels.map(|label| (label, vec![0])));
        let lost = |rule: ThresholdRule| {
            let of_draw = |draw: u64| {
                let mut rng = contract::random::stream(draw, "logits", [0, 0]);
                let logits = images.labels().iter().map(|&label| {
                    let noise: f64 = StandardNormal.sample(&mut rng);
                    let sign = if label == 1 { 1.0 } else { -1.0 };
                    (sign * middle + SEPARATION * noise) as f32
                });
                let scores = Head::Sigmoid.probabilities(&logits.collect::<Vec<_>>());
                let chosen = f64::from(threshold(rule, &scores, Some(&images)).unwrap().threshold);
                let logit = (chosen / (1.0 - chosen)).ln();
                let right = |at: f64| Normal::standard().cdf(at / SEPARATION);
                2.0 * right(middle) - right(middle - logit) - right(middle + logit)
            };
            (0..DRAWS).map(of_draw).sum::<f64>() / DRAWS as f64
        };
        assert!(lost(ThresholdRule::Chosen(Criterion::Youden)) > 0.005);
        assert!(lost(default.threshold).abs() < 1e-12);
    }
}
