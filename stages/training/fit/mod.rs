//! Trains a classifier, and keeps the weights of its best epoch.

#[cfg(test)]
mod tests;

use contract::{Context, Failure};
use ops::Backend;

use super::calibration::calibrate;
use super::epoch::{Epoch, Fixed, PartialEpoch, train_epoch};
use super::examples::Examples;
use super::features::AllFeatures;
use super::history::{EpochRow, Validation};
use super::recipe::Recipe;
use super::state::{Best, TrainingState};
use super::statistics::estimate;
use super::stopping::Progress;
use super::updater::Updater;
use super::validation::{Validated, threshold, usable, validate};
use super::warnings;
use crate::data::Dataset;
use crate::metrics::Criterion;
use crate::nets::{Calibration, Head, Network};
use crate::rate::Rate;

/// Result of a training. The network itself has the best epoch's weights.
pub struct Fitted {
    /// The epochs, measured during training.
    pub history: Vec<EpochRow>,
    /// Number of the best epoch, counted from 1.
    pub best_epoch: usize,
    /// Measures of the network on the validation images, before calibration. They differ from those in the history if the statistics of
    /// `batch_norm` layers were estimated after training.
    pub validation: Option<Validation>,
    /// Change of the network's probabilities, if one was fitted.
    pub calibration: Option<Calibration>,
    /// Threshold between two classes, on the calibrated probability, if there is one.
    pub threshold: Option<f32>,
    /// Rule by which the threshold was chosen; `None` if it was not.
    pub threshold_rule: Option<Criterion>,
    /// Number of validation images; `None` if there were none.
    pub validation_images: Option<usize>,
}

/// Trains `network` on `examples`, and leaves the weights of the best epoch in it, or their average if the recipe says
/// so. This is the best epoch by `recipe.monitor` on `validation`; without validation images, it is the last epoch.
///
/// If the training is stopped while the statistics of `batch_norm` layers are estimated, it resumes after the last
/// epoch, from the checkpoint that was kept there.
pub fn fit<B: Backend>(
    network: &mut Network<B>,
    recipe: &Recipe,
    examples: &Examples,
    validation: Option<&Dataset>,
    context: &Context<'_>,
) -> Result<Fitted, Failure> {
    let head =
        Head::of(network.architecture().output()).map_err(|e| Failure::Internal(e.to_string()))?;
    let classes = examples.classes();
    if head.classes() != classes.len() {
        return Err(Failure::Data(format!(
            "the network distinguishes {} classes, but the training images have {}: {}",
            head.classes(),
            classes.len(),
            classes.join(", ")
        )));
    }
    if let Some(validation) = validation.filter(|v| v.classes() != classes) {
        return Err(Failure::Data(format!(
            "training and validation images have different classes: {} and {}",
            classes.join(", "),
            validation.classes().join(", ")
        )));
    }
    if examples.images_per_epoch() == 0 {
        return Err(Failure::Data("there are no training images".to_owned()));
    }
    let validation = usable(validation, recipe, context)?;
    let class_weights = recipe
        .class_weights
        .resolve(classes, &examples.expected_class_counts())
        .map_err(Failure::Data)?;
    let fixed = Fixed {
        examples,
        head,
        class_weights,
        batch_size: recipe.batch_size,
        epochs: recipe.epochs,
        warmup: recipe.warmup,
        label_smoothing: recipe.label_smoothing,
        mixing: recipe.mixing(),
        context,
    };

    let images = warnings::Images {
        layers: &network.architecture().layers,
        classes,
        counts: &examples.class_counts(),
        in_an_epoch: examples.images_per_epoch(),
        batch_size: recipe.batch_size,
        validation: validation.map(Dataset::labels),
        chooses_threshold: recipe.threshold.criterion().is_some(),
    };
    for warning in images.warnings() {
        context.warn(warning);
    }
    let (mut state, mut updater) = TrainingState::begin(network, recipe, context);
    let mut progress = Progress::default();
    for row in &state.history {
        progress.observe(row, recipe.monitor, recipe.early_stopping.as_ref());
    }
    let stops = |progress: &Progress, epochs: usize| {
        epochs > 0 && progress.exhausted(epochs, recipe.early_stopping.as_ref())
    };
    let mut rate = Rate::start();
    let mut current = Current::default();
    while state.history.len() < recipe.epochs && !stops(&progress, state.history.len()) {
        let index = state.history.len();
        let trained = current
            .reach(index, network, recipe, validation, &fixed)
            .and_then(|begins| {
                if begins && state.partial == PartialEpoch::default() {
                    updater.restart(recipe, network);
                }
                let phase = recipe.phase(index);
                let epoch = Epoch {
                    index,
                    learning_rate: phase.learning_rate
                        * recipe.schedule.factor(index, recipe.epochs),
                    features: &current.features,
                };
                train(
                    network,
                    &mut updater,
                    &epoch,
                    validation,
                    &mut state,
                    &mut rate,
                    &fixed,
                )
            });
        let completed = match trained {
            Err(Failure::Cancelled) => {
                state.keep(network, &updater, true, context);
                return Err(Failure::Cancelled);
            }
            other => other?,
        };
        if progress.observe(
            &completed.row,
            recipe.monitor,
            recipe.early_stopping.as_ref(),
        ) || state.best.epoch == 0
        {
            state.best = Best {
                epoch: completed.row.epoch,
                state: updater.with_kept(network, |network| network.snapshot()),
                scores: completed.scores,
            };
        }
        state.history.push(completed.row);
        state.partial = PartialEpoch::default();
        let epochs = state.history.len();
        let last = epochs == recipe.epochs || stops(&progress, epochs);
        state.keep(network, &updater, last, context);
    }
    let TrainingState { history, best, .. } = state;
    if stops(&progress, history.len()) {
        context.note(format!("stopped early after epoch {}", history.len()));
    }
    if let Some(warning) = warnings::of_loss(&history) {
        context.warn(warning);
    }
    let best_epoch = best.epoch;
    let (scores, measures) = finish(network, recipe, validation, best, &history, current, &fixed)?
        .map(|validated| (validated.scores, validated.measures))
        .unzip();
    let decided = decide(
        recipe,
        scores.unwrap_or_default(),
        validation,
        head,
        context,
    );
    let epochs = format!("best epoch {best_epoch} of {}", history.len());
    context.note(
        std::iter::once(epochs)
            .chain(decided.notes)
            .collect::<Vec<_>>()
            .join(", "),
    );
    Ok(Fitted {
        history,
        best_epoch,
        validation: measures,
        calibration: decided.calibration,
        threshold: decided.threshold,
        threshold_rule: decided.rule,
        validation_images: validation.map(Dataset::len),
    })
}

/// Choices on the validation images after training.
struct Decided {
    calibration: Option<Calibration>,
    threshold: Option<f32>,
    rule: Option<Criterion>,
    notes: Vec<String>,
}

/// Fits the calibration of a network with these probabilities of the validation images, then chooses the threshold on
/// the calibrated ones.
fn decide(
    recipe: &Recipe,
    scores: Vec<f32>,
    validation: Option<&Dataset>,
    head: Head,
    context: &Context<'_>,
) -> Decided {
    let labels = validation.map(Dataset::labels).unwrap_or_default();
    let fit = calibrate(recipe.calibration, scores, labels, head.classes());
    for warning in fit.warnings {
        context.warn(warning);
    }
    let chosen = (head.classes() == 2)
        .then(|| threshold(recipe.threshold, &fit.scores, validation))
        .flatten();
    let rule = recipe.threshold.criterion().filter(|_| chosen.is_some());
    if let (Some(rule), Some(false)) = (rule, chosen.map(|chosen| chosen.reaches)) {
        context.warn(format!(
            "no threshold has a {rule} on the validation images; the closest one is used"
        ));
    }
    let threshold = chosen.map(|chosen| {
        let rule = rule.map(|rule| format!(" ({rule} on {} validation images)", labels.len()));
        format!(
            "threshold {:.3}{}",
            chosen.threshold,
            rule.unwrap_or_default()
        )
    });
    Decided {
        calibration: fit.calibration,
        threshold: chosen.map(|chosen| chosen.threshold),
        rule,
        notes: fit.note.into_iter().chain(threshold).collect(),
    }
}

/// A complete epoch that is not in the history yet.
struct Completed {
    row: EpochRow,
    /// Class probabilities on the validation images.
    scores: Vec<f32>,
}

/// The phase of the training that the network is set to.
#[derive(Default)]
struct Current {
    /// Number of the phase, once there is one.
    phase: Option<usize>,
    features: AllFeatures,
}

impl Current {
    /// Sets the rates of the layers to those of epoch `index`, and computes the features of the frozen ones, if they are
    /// not those already. Returns `true` if a phase after the first one begins with this epoch.
    fn reach<B: Backend>(
        &mut self,
        index: usize,
        network: &mut Network<B>,
        recipe: &Recipe,
        validation: Option<&Dataset>,
        fixed: &Fixed<'_>,
    ) -> Result<bool, Failure> {
        let phase = recipe.phase(index);
        let begins = index > 0 && recipe.phase(index - 1).number < phase.number;
        if self.phase == Some(phase.number) {
            return Ok(begins);
        }
        network.set_rate_factors(|layer| phase.factor(layer));
        // The old ones would need memory beside the new ones.
        self.features = AllFeatures::default();
        let (examples, context) = (fixed.examples, fixed.context);
        self.features = AllFeatures::of(network, examples, fixed.mixing, validation, context)?;
        self.phase = Some(phase.number);
        Ok(begins)
    }
}

/// Trains for the rest of the epoch that `state` is in, and measures the result.
fn train<B: Backend>(
    network: &mut Network<B>,
    updater: &mut Updater<B>,
    epoch: &Epoch<'_>,
    validation: Option<&Dataset>,
    state: &mut TrainingState,
    rate: &mut Rate,
    fixed: &Fixed<'_>,
) -> Result<Completed, Failure> {
    let partial = &mut state.partial;
    train_epoch(network, updater, epoch, partial, rate, fixed)?;
    let features = epoch.features.validation.as_ref();
    let &Epoch {
        index: epoch,
        learning_rate,
        ..
    } = epoch;
    // The last batch's loss was computed before its update, so the weights are checked as well.
    if !network.is_finite() {
        return Err(Failure::Training(format!(
            "weights are no longer finite after epoch {}: lower `learning_rate`",
            epoch + 1
        )));
    }
    let validated = validation
        .map(|dataset| {
            updater.with_kept(network, |network| {
                validate(network, fixed.head, dataset, features, fixed.context)
            })
        })
        .transpose()?;
    let (scores, measures) = validated
        .map(|validated| (validated.scores, validated.measures))
        .unzip();
    let row = EpochRow {
        epoch: epoch + 1,
        learning_rate: learning_rate * fixed.last_factor(epoch),
        loss: partial.loss(),
        accuracy: partial.accuracy(),
        validation: measures,
    };
    report(&row, fixed);
    Ok(Completed {
        row,
        scores: scores.unwrap_or_default(),
    })
}

/// Reports the measures of an epoch, for those who follow the training. Its loss is part of the progress.
fn report(row: &EpochRow, fixed: &Fixed<'_>) {
    let mut figures = vec![("accuracy", row.accuracy)];
    if let Some(validation) = &row.validation {
        figures.push(("validation_loss", validation.loss));
        figures.push(("validation_accuracy", validation.accuracy));
        figures.extend(validation.auc.map(|auc| ("validation_auc", auc)));
    }
    let (done, total) = (row.epoch as f64, fixed.epochs as f64);
    fixed.context.measured("epoch", done, total, &figures);
}

/// Sets `network` to the state of the best epoch, estimates the statistics of its `batch_norm` layers if the recipe
/// says so, and returns its results on the validation images.
fn finish<B: Backend>(
    network: &mut Network<B>,
    recipe: &Recipe,
    validation: Option<&Dataset>,
    best: Best,
    history: &[EpochRow],
    mut current: Current,
    fixed: &Fixed<'_>,
) -> Result<Option<Validated>, Failure> {
    network.set_state(best.state);
    let index = best.epoch - 1;
    if !recipe.estimates_statistics(index) {
        let row = history.iter().find(|row| row.epoch == best.epoch);
        let measures = row.and_then(|row| row.validation.clone());
        return Ok(measures.map(|measures| Validated {
            scores: best.scores,
            measures,
        }));
    }
    current.reach(index, network, recipe, validation, fixed)?;
    let features = &current.features;
    estimate(
        network,
        fixed.examples,
        features,
        index,
        fixed.batch_size,
        fixed.context,
    )?;
    if !network.is_finite() {
        return Err(Failure::Training(format!(
            "the statistics of `batch_norm` are not finite for the weights of epoch {}: lower `learning_rate`",
            best.epoch
        )));
    }
    validation
        .map(|dataset| {
            let features = features.validation.as_ref();
            validate(network, fixed.head, dataset, features, fixed.context)
        })
        .transpose()
}
