//! Warns of trainings that cannot have learnt much.

use super::epoch::Fixed;
use super::history::EpochRow;
use crate::contract::Context;
use crate::data::{Dataset, absent_classes};
use crate::nets::{Architecture, Layer};

/// Warns of what is known once the images are.
pub(super) fn warn_of_images(
    network: &Architecture,
    fixed: &Fixed<'_>,
    validation: Option<&Dataset>,
) {
    let Fixed {
        examples, context, ..
    } = fixed;
    let classes = examples.classes();
    let counts = examples.class_counts().into_iter().zip(0..);
    let labels: Vec<u32> = counts.filter(|&(n, _)| n > 0).map(|(_, c)| c).collect();
    if let Some(absent) = absent_classes(classes, &labels) {
        context.warn(format!(
            "no training image of {absent}: the model cannot learn it"
        ));
    }
    if let Some(validation) = validation
        && let Some(absent) = absent_classes(classes, validation.labels())
    {
        context.warn(format!(
            "no validation image of {absent}: epoch and threshold are chosen without it"
        ));
    }
    let images = examples.images_per_epoch();
    let normalizes = |layer: &Layer| matches!(layer, Layer::BatchNorm(_));
    let size = fixed.batch_size;
    if size > 1 && images % size == 1 && network.layers.iter().any(normalizes) {
        context.warn(format!(
            "the last batch of each epoch has one of the {images} images (`batch_size` is {size}), and \
             `batch_norm` normalizes over a batch: choose another `batch_size`"
        ));
    }
}

/// The share of a loss that is rounding: images are added up in another order in each epoch.
const ROUNDING: f64 = 1e-6;

/// Warns if no epoch's training loss is below that of the first.
pub(super) fn warn_of_loss(history: &[EpochRow], context: &Context<'_>) {
    let [first, later @ ..] = history else {
        return;
    };
    let lowest = later.iter().map(|row| row.loss).reduce(f64::min);
    if let Some(lowest) = lowest.filter(|&lowest| lowest > (1.0 - ROUNDING) * first.loss) {
        context.warn(format!(
            "the training loss never fell: {:.4} in the first epoch, at least {lowest:.4} in the {} after it; \
             try another `learning_rate`",
            first.loss,
            later.len()
        ));
    }
}
