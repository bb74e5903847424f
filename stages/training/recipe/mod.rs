//! [`Recipe`]: the parameters of a training, with their checks and the resources that they need.

mod calibration;
mod class_weights;
mod fine_tuning;
mod optimizer;
#[cfg(test)]
mod tests;
mod threshold;

use contract::{
    Amount, ImageShape, Invalid, Memory, Resumable, Source, Work, bare_name, json,
    ranges::{above_zero, share, whole},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::mixing::Mixing;
use super::schedule::Schedule;
use super::stopping::{EarlyStopping, Monitor};
use crate::initial::{INITIAL, Initial};
use crate::nets::{
    Architecture, Head, Initializer, Layer, LayerNumbers, LayerRate, output_warning,
};

pub(super) use calibration::CalibrationMethod;
use class_weights::ClassWeights;
use fine_tuning::Later;
pub use optimizer::OptimizerChoice;
pub(super) use threshold::ThresholdRule;

/// Training parameters, shared by `train-cnn` and `retrain`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The layers. The last one gives one score per class. With two classes, a single score, that of the second
    /// class, is enough.
    pub model: Vec<Layer>,
    /// Distribution from which the initial weights are drawn.
    #[serde(default)]
    pub initializer: Initializer,
    /// Largest number of passes over the training images.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 100_000))]
    pub epochs: usize,
    /// Images per training step.
    #[serde(default = "thirty_two")]
    #[schemars(range(min = 1, max = 65_536), extend("x-unit" = "images"))]
    pub batch_size: usize,
    /// Learning rate of the first epoch.
    #[serde(default = "one_thousandth")]
    #[schemars(range(max = 10), extend("exclusiveMinimum" = 0))]
    pub learning_rate: f64,
    /// Change of the learning rate from epoch to epoch.
    #[serde(default = "constant", deserialize_with = "bare_name::deserialize")]
    pub schedule: Schedule,
    /// The rule that turns gradients into steps.
    #[serde(
        default = "optimizer::adam",
        deserialize_with = "bare_name::deserialize"
    )]
    pub optimizer: OptimizerChoice,
    /// Number of epochs in which the learning rate rises from 0 to its value, by equal amounts from step to step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100_000), extend("exclusiveMinimum" = 0, "x-unit" = "epochs"))]
    pub warmup: Option<f64>,
    /// Largest Euclidean norm of all gradients together. In steps in which it is larger, all gradients are scaled down
    /// to it, before penalties and weight decay are added, as by PyTorch's `clip_grad_norm_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000), extend("exclusiveMinimum" = 0))]
    pub clip_norm: Option<f64>,
    /// Decay of an exponential moving average of the weights and of the statistics of `batch_norm`, such as 0.999: each
    /// step replaces 1 − `ema` of it. In step t (from 0), it decays by at most (1 + t) / (10 + t), so that it forgets
    /// the initial weights. Validation uses the average, and the trained model is the average of the best epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub ema: Option<f64>,
    /// Share of each label that is distributed equally over all classes (Szegedy et al., 2016). The training loss is
    /// that of the smoothed labels.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0), extend("default" = 0.0, "exclusiveMaximum" = 1))]
    pub label_smoothing: f64,
    /// Mixes each image, and its label, with another one of its batch (Zhang et al., 2018). The share of the image itself
    /// is drawn for each batch from Beta(`mixup`, `mixup`). The training accuracy counts the label of the image itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100), extend("exclusiveMinimum" = 0))]
    pub mixup: Option<f64>,
    /// Replaces a rectangle of each image by that of another one of its batch, and mixes the labels by area (Yun et al.,
    /// 2019). The share of the image itself is drawn for each batch from Beta(`cutmix`, `cutmix`). With `mixup`, each
    /// batch is mixed in one of the two ways, with equal probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100), extend("exclusiveMinimum" = 0))]
    pub cutmix: Option<f64>,
    /// The weights from which training starts, if they are not those of a model with the same layers on the input
    /// `initial`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<Initial>,
    /// Layers that are not trained: their weights and statistics stay, and they compute as in the trained model. What the
    /// first frozen layers compute for images that are not augmented is computed once and kept in memory.
    #[serde(default, skip_serializing_if = "LayerNumbers::is_empty")]
    #[schemars(extend("default" = []))]
    pub freeze: LayerNumbers,
    /// Factors on the learning rate of some layers. If a layer is listed twice, the first factor counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = []))]
    pub layer_rates: Vec<LayerRate>,
    /// Changes of `learning_rate`, `freeze` and `layer_rates` after some epochs, such as to train more layers once the
    /// last one is trained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = []))]
    pub later: Vec<Later>,
    /// Weight of each class's images in the loss.
    #[serde(default)]
    pub class_weights: ClassWeights,
    /// Measure on validation data that determines the best epoch, whose weights are kept.
    #[serde(default)]
    pub monitor: Monitor,
    /// Condition for stopping before `epochs`.
    #[serde(default)]
    pub early_stopping: Option<EarlyStopping>,
    /// Source of the means and variances by which `batch_norm` normalizes in the trained model. During training, the
    /// validation images are always predicted with `running` statistics, so these also determine the best epoch.
    #[serde(default)]
    pub batch_norm_statistics: BatchNormStatistics,
    /// Change of the probabilities of the trained network, fitted on the validation images by minimizing the log loss.
    /// With fewer than 100 of these, it is uncertain, and may be worse than none.
    #[serde(default)]
    pub calibration: CalibrationMethod,
    /// Rule for the threshold that is stored with a model of two classes, on the calibrated probability. Cross-entropy fits probabilities, so at 0.5
    /// an error in one class weighs the same as one in the other; with `class_weights: balanced`, both classes count
    /// equally, whatever their numbers of images. A threshold that is chosen on a few hundred validation images fits
    /// their chance differences and is less accurate on other images.
    #[serde(default)]
    pub threshold: ThresholdRule,
}

/// Source of the statistics of `batch_norm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum BatchNormStatistics {
    /// The training images of the best epoch, without augmentation and dropout, in one pass with the weights that
    /// are kept (Wu and Johnson, 2021). The validation images are then predicted once more, for the threshold and
    /// for `metrics.json`.
    #[default]
    Estimated,
    /// The last batches of the best epoch: each batch replaces 1 − `momentum` of the value. This is less work, but
    /// noisy: with a `momentum` of 0.9, the value is a mean over about ten batches, each with weights of its own. In
    /// Keras, where this is the only choice, the default `momentum` is 0.99, which is less noisy but lags behind in
    /// short trainings.
    Running,
}

fn ten() -> usize {
    10
}
fn thirty_two() -> usize {
    32
}
fn one_thousandth() -> f64 {
    1e-3
}
fn constant() -> Schedule {
    Schedule::Constant {}
}
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Recipe {
    /// Returns the parameters with every default filled in.
    pub fn canonical(&self) -> Value {
        json::value(self)
    }

    /// Returns `epochs` as open-ended unless the learning rate depends on it. Nothing else depends on it:
    /// early stopping uses only the past epochs.
    pub fn resumable(&self) -> Resumable {
        match self.schedule {
            Schedule::Constant {} | Schedule::Step { .. } => Resumable {
                open_ended: &["epochs"],
                bound: None,
            },
            Schedule::Cosine { .. } => Resumable {
                open_ended: &[],
                bound: Some((
                    "epochs",
                    "with `schedule: cosine` every learning rate depends on it",
                )),
            },
        }
    }

    /// Returns the file or folder of weights that the parameters name.
    pub fn sources(&self) -> Vec<Source> {
        let initial = self.initial.as_ref();
        let source = initial.and_then(|initial| initial.source(INITIAL));
        source.into_iter().collect()
    }

    /// Returns the ways in which the images of a batch are mixed.
    pub(super) fn mixing(&self) -> Mixing {
        Mixing {
            mixup: self.mixup,
            cutmix: self.cutmix,
        }
    }

    /// Returns `true` if the statistics of `batch_norm` layers are computed after training, if `epoch`, from 0, is the best
    /// one. Those of layers that are frozen then stay.
    pub(super) fn estimates_statistics(&self, epoch: usize) -> bool {
        let phase = self.phase(epoch);
        let layers = self.model.iter().enumerate();
        let mut trained = layers.filter(|(index, _)| phase.factor(*index).is_some());
        self.batch_norm_statistics == BatchNormStatistics::Estimated
            && trained.any(|(_, layer)| layer.mixes_batch())
    }

    /// Returns the resources that training on `train` images of this shape takes, if each epoch ends with
    /// predictions for `validation` images.
    pub fn work(&self, image: ImageShape, train: Option<u64>, validation: Option<u64>) -> Work {
        let Ok(network) = Architecture::new(image.into(), self.model.clone()) else {
            return Work::default();
        };
        // A forward pass, and backward passes to the inputs and to the parameters of each layer.
        let passes = train.zip(validation).map(|(train, validation)| {
            let (train, validation) = (train as f64, validation as f64);
            let epochs = self.epochs as f64 * (3.0 * train + validation);
            if self.estimates_statistics(self.epochs - 1) {
                epochs + train + validation
            } else {
                epochs
            }
        });
        let count = passes.map(|passes| passes * network.operations());
        let batch = train.map_or(self.batch_size as u64, |train| {
            train.min(self.batch_size as u64)
        });
        let average = self.ema.map_or(0, |_| network.state_bytes());
        let parameters = network.parameter_bytes(self.optimizer.moments()) + average;
        Work {
            amount: count.map(|count| Amount {
                count,
                unit: "training",
            }),
            parameters: Some(network.parameter_len()),
            memory: Some(Memory {
                least: parameters + batch * network.widest_bytes(),
                // The weights of the best epoch so far are kept too, and checkpoints are assembled in memory:
                // weights, moments and averages.
                likely: parameters
                    + average
                    + (2 + self.optimizer.moments()) * network.state_bytes()
                    + batch * network.activation_bytes(),
            }),
            output_bytes: Some(network.state_bytes()),
            ..Work::default()
        }
    }

    /// Checks every range, and the layers against images of the given shape and against the number of
    /// classes, if that is known.
    pub fn check(
        &self,
        image: ImageShape,
        classes: Option<usize>,
        has_validation: bool,
    ) -> Result<Head, Invalid> {
        whole("epochs", self.epochs, 1, 100_000)?;
        whole("batch_size", self.batch_size, 1, 65_536)?;
        above_zero("learning_rate", self.learning_rate, 10.0)?;
        self.schedule.check().map_err(|e| e.under("schedule"))?;
        self.optimizer.check().map_err(|e| e.under("optimizer"))?;
        for (name, value, most) in [
            ("warmup", self.warmup, 100_000.0),
            ("clip_norm", self.clip_norm, 1_000_000.0),
            ("mixup", self.mixup, 100.0),
            ("cutmix", self.cutmix, 100.0),
        ] {
            value.map_or(Ok(()), |value| above_zero(name, value, most))?;
        }
        share("ema", self.ema.unwrap_or_default())?;
        share("label_smoothing", self.label_smoothing)?;
        let weights = self.class_weights.check();
        weights.map_err(|e| e.under("class_weights"))?;
        if let Some(stopping) = &self.early_stopping {
            if !has_validation {
                return Err(Invalid::new("`early_stopping` needs validation images")
                    .hint("connect the input `validation`")
                    .under("early_stopping"));
            }
            whole("patience", stopping.patience, 1, 100_000)
                .map_err(|e| e.under("early_stopping"))?;
            if !(stopping.min_delta >= 0.0 && stopping.min_delta.is_finite()) {
                let message = format!(
                    "`min_delta` is {}; it must be at least 0",
                    stopping.min_delta
                );
                return Err(Invalid::new(message)
                    .under("min_delta")
                    .under("early_stopping"));
            }
        }
        let threshold = self.threshold.check(has_validation);
        threshold.map_err(|e| e.under("threshold"))?;
        let network = Architecture::new(image.into(), self.model.clone());
        let network = network.map_err(|e| e.under("model"))?;
        self.check_fine_tuning(&network)?;
        let head = Head::of(network.output()).map_err(|e| e.under("model"))?;
        let calibration = self.calibration.check(head.classes(), has_validation);
        calibration.map_err(|e| e.under("calibration"))?;
        if self.threshold != ThresholdRule::default() && head.classes() > 2 {
            let message = format!(
                "`threshold` needs two classes, but the network distinguishes {}",
                head.classes()
            );
            return Err(Invalid::new(message)
                .hint("remove it: the most probable class is predicted")
                .under("threshold"));
        }
        if self.monitor == Monitor::Auc && head.classes() > 2 {
            let message = format!(
                "`validation_auc` needs two classes, but the network distinguishes {}",
                head.classes()
            );
            return Err(Invalid::new(message).under("monitor"));
        }
        if let Some(classes) = classes.filter(|&classes| classes != head.classes()) {
            return Err(head.misfit(classes).at(self.model.len() - 1).under("model"));
        }
        Ok(head)
    }

    /// Checks the names of classes against those of the training images.
    pub fn check_classes(&self, classes: &[String]) -> Result<(), Invalid> {
        let checked = self.class_weights.check_classes(classes);
        checked.map_err(|error| error.under("class_weights"))
    }

    /// Lists parameters that keep the network from learning anything useful.
    pub fn warnings(&self, image: Option<ImageShape>) -> Vec<Invalid> {
        let mut found = Vec::new();
        if self.batch_size == 1 && self.model.iter().any(Layer::mixes_batch) {
            found.push(
                Invalid::new("`batch_norm` normalizes over a batch, and `batch_size` is 1")
                    .hint("raise `batch_size`, or leave `batch_norm` out of the model")
                    .under("batch_size"),
            );
        }
        let head = image.and_then(|image| {
            let network = Architecture::new(image.into(), self.model.clone()).ok()?;
            Head::of(network.output()).ok()
        });
        let output = head.and_then(|head| output_warning(&self.model, head));
        found.extend(output.map(|warning| warning.under("model")));
        found
    }
}
