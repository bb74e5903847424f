//! Finds reasons to doubt that a training learned much.

use super::history::EpochRow;
use crate::data::absent_classes;
use crate::nets::Layer;

/// Relative difference of two losses that counts as rounding: each epoch adds its images' losses in another order.
const ROUNDING: f64 = 1e-6;

/// Properties of a training that depend on its images.
pub(super) struct Images<'a> {
    pub layers: &'a [Layer],
    pub classes: &'a [String],
    /// Number of training images of each class.
    pub counts: &'a [usize],
    pub in_an_epoch: usize,
    pub batch_size: usize,
    pub validation: Option<&'a [u32]>,
    /// `true` if the threshold is chosen on the validation images, like the epoch.
    pub chooses_threshold: bool,
}

impl Images<'_> {
    /// Lists reasons why the network cannot learn from its images.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let counts = self.counts.iter().zip(0..);
        let trained: Vec<u32> = counts.filter(|&(&n, _)| n > 0).map(|(_, c)| c).collect();
        if let Some(absent) = absent_classes(self.classes, &trained) {
            warnings.push(format!(
                "no training image of {absent}: a network cannot learn a class without images"
            ));
        }
        let validation = self.validation;
        if let Some(absent) = validation.and_then(|v| absent_classes(self.classes, v)) {
            warnings.push(format!(
                "no validation image of {absent}: {} chosen on the other classes only",
                if self.chooses_threshold {
                    "the epoch and the threshold are"
                } else {
                    "the epoch is"
                }
            ));
        }
        let Self {
            in_an_epoch: images,
            batch_size: size,
            ..
        } = *self;
        if size > 1 && images % size == 1 && self.layers.iter().any(Layer::mixes_batch) {
            warnings.push(format!(
                "the last batch of each epoch has one of the {images} images (`batch_size` is {size}), and \
                 `batch_norm` normalizes over a batch: choose another `batch_size`"
            ));
        }
        warnings
    }
}

/// Returns a warning if no later epoch's training loss is below that of the first.
pub(super) fn of_loss(history: &[EpochRow]) -> Option<String> {
    let (first, later) = history.split_first()?;
    let lowest = later.iter().map(|row| row.loss).reduce(f64::min)?;
    let has_fallen = lowest < (1.0 - ROUNDING) * first.loss;
    (!has_fallen).then(|| {
        format!(
            "the training loss never fell: {:.4} in epoch 1, and at least {lowest:.4} in the {} after it; try \
             another `learning_rate`",
            first.loss,
            later.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(losses: &[f64]) -> Vec<EpochRow> {
        let rows = losses.iter().zip(1..);
        rows.map(|(&loss, epoch)| EpochRow {
            epoch,
            learning_rate: 0.1,
            loss,
            accuracy: 0.5,
            validation: None,
        })
        .collect()
    }

    #[test]
    fn a_loss_that_never_falls_gives_a_warning_after_more_than_one_epoch() {
        for sound in [&[][..], &[0.7], &[0.7, 0.69], &[0.7, 0.9, 0.6, 0.8]] {
            assert_eq!(of_loss(&rows(sound)), None, "{sound:?}");
        }
        for rising in [&[0.7, 0.7][..], &[0.7, 0.8, 0.7, 0.9], &[0.7, 0.699_999_99]] {
            let warning = of_loss(&rows(rising)).expect("a warning");
            assert!(
                warning.starts_with("the training loss never fell: 0.7000"),
                "{warning}"
            );
        }
    }

    #[test]
    fn images_that_a_network_cannot_learn_from_give_warnings() {
        let with = json!(["batch_norm", "flatten", { "dense": { "units": 1 } }]);
        let with: Vec<Layer> = serde_json::from_value(with).unwrap();
        let classes = ["A", "B"].map(str::to_owned);
        let of = |layers, counts, images, validation| {
            Images {
                layers,
                classes: &classes,
                counts,
                in_an_epoch: images,
                batch_size: 8,
                validation,
                chooses_threshold: false,
            }
            .warnings()
        };
        assert_eq!(of(&with, &[9, 7], 16, Some(&[0, 1])), [""; 0]);
        assert_eq!(of(&with[1..], &[9, 8], 17, None), [""; 0]);
        assert!(of(&with, &[9, 8], 17, None)[0].contains("one of the 17 images"));
        assert!(of(&with, &[0, 8], 8, None)[0].starts_with("no training image of `A`"));
        assert!(
            of(&with, &[1, 7], 8, Some(&[0]))[0]
                .starts_with("no validation image of `B`: the epoch is chosen")
        );
    }
}
