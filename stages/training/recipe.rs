//! Training parameters.

use std::collections::BTreeMap;

use contract::{
    Amount, ImageShape, Invalid, Memory, Resumable, Work, bare_name,
    ranges::{above_zero, share, whole},
};
use ops::optimizer::{OptimizerConfig, SecondMoment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::schedule::Schedule;
use super::stopping::{EarlyStopping, Monitor};
use crate::nets::{Architecture, Head, Initializer, Layer, check_layers, output_warning};

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
    #[serde(default = "adam", deserialize_with = "bare_name::deserialize")]
    pub optimizer: OptimizerChoice,
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
    /// Rule for the threshold that is stored with a model of two classes. Cross-entropy fits probabilities, so at 0.5
    /// an error in one class weighs the same as one in the other; with `class_weights: balanced`, both classes count
    /// equally, whatever their numbers of images. A threshold that is chosen on a few hundred validation images fits
    /// their chance differences and is less accurate on other images.
    #[serde(default)]
    pub threshold: ThresholdRule,
}

/// The rule that turns gradients into steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "Optimizer", transform = bare_name::allow)]
pub enum OptimizerChoice {
    /// Adam (Kingma and Ba, 2015).
    Adam {
        /// Decay rate of the first moment.
        #[serde(default = "beta1")]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        beta1: f64,
        /// Decay rate of the second moment.
        #[serde(default = "beta2")]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        beta2: f64,
        /// Added to the root of the second moment to avoid a division by zero.
        #[serde(default = "epsilon")]
        #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
        epsilon: f64,
        /// The second moment whose root `epsilon` is added to.
        #[serde(default)]
        epsilon_added_to: SecondMoment,
    },
    /// Stochastic gradient descent with classical momentum.
    Sgd {
        /// Share of the last step that the next one keeps.
        #[serde(default)]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        momentum: f64,
    },
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

/// Weight of each class's images in the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(
    untagged,
    expecting = "expected `none`, `balanced` or a map of class names to weights"
)]
pub enum ClassWeights {
    Rule(WeightRule),
    /// Class names with their weights. A class that is not named has the weight 1.
    ByClass(
        #[schemars(extend("additionalProperties" = {
            "type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000
        }))]
        BTreeMap<String, f32>,
    ),
}

/// A rule that gives each class a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum WeightRule {
    /// Every image has the same weight.
    None,
    /// Every class has the same total weight in an epoch, on average if an epoch takes a sample of the images.
    Balanced,
}

impl Default for ClassWeights {
    fn default() -> Self {
        Self::Rule(WeightRule::None)
    }
}

/// Rule for the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(
    untagged,
    expecting = "expected `youden`, `f1` or a number between 0 and 1"
)]
pub enum ThresholdRule {
    /// This probability of the second class.
    Fixed(#[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))] f32),
    Chosen(Criterion),
}

/// Measure that the threshold maximizes on the validation images, with the weights of the best epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Criterion {
    /// Sensitivity + specificity − 1 (Youden, 1950).
    Youden,
    /// F1 of the second class.
    F1,
}

impl Default for ThresholdRule {
    fn default() -> Self {
        Self::Fixed(0.5)
    }
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
fn adam() -> OptimizerChoice {
    OptimizerChoice::Adam {
        beta1: beta1(),
        beta2: beta2(),
        epsilon: epsilon(),
        epsilon_added_to: SecondMoment::default(),
    }
}
fn beta1() -> f64 {
    0.9
}
fn beta2() -> f64 {
    0.999
}
fn epsilon() -> f64 {
    1e-7
}

impl Recipe {
    /// Returns the parameters with every default filled in.
    pub fn canonical(&self) -> Value {
        json!(self)
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

    /// Whether the statistics of `batch_norm` layers are computed after training.
    pub(super) fn estimates_statistics(&self) -> bool {
        self.batch_norm_statistics == BatchNormStatistics::Estimated
            && self.model.iter().any(Layer::mixes_batch)
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
            if self.estimates_statistics() {
                epochs + train + validation
            } else {
                epochs
            }
        });
        let count = passes.map(|passes| passes * network.operations());
        let batch = train.map_or(self.batch_size as u64, |train| {
            train.min(self.batch_size as u64)
        });
        let parameters = network.parameter_bytes(self.optimizer.moments());
        Work {
            amount: count.map(|count| Amount {
                count,
                unit: "training",
            }),
            parameters: Some(network.parameter_len()),
            memory: Some(Memory {
                least: parameters + batch * network.widest_bytes(),
                // The weights of the best epoch so far are kept too, and checkpoints are assembled in memory:
                // weights and moments.
                likely: parameters
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
        if let ClassWeights::ByClass(weights) = &self.class_weights {
            for (class, &weight) in weights {
                above_zero(class, f64::from(weight), 1e6).map_err(|e| e.under("class_weights"))?;
            }
        }
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
        if let ThresholdRule::Fixed(threshold) = self.threshold
            && !(threshold > 0.0 && threshold < 1.0)
        {
            let message = format!("`threshold` is {threshold}; it must be above 0 and below 1");
            return Err(Invalid::new(message).under("threshold"));
        }
        if matches!(self.threshold, ThresholdRule::Chosen(_)) && !has_validation {
            let message = "`threshold` is to be chosen on validation images, but there are none";
            return Err(Invalid::new(message)
                .hint("connect the input `validation`, or set a probability")
                .under("threshold"));
        }
        let output = check_layers("model", &self.model, image.into())?;
        let head = Head::of(output).map_err(|e| e.under("model"))?;
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
}

impl Recipe {
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

impl OptimizerChoice {
    /// Returns the number of values that the optimizer keeps for each parameter.
    fn moments(&self) -> u64 {
        match self {
            Self::Adam { .. } => 2,
            Self::Sgd { .. } => 1,
        }
    }

    pub fn check(&self) -> Result<(), Invalid> {
        match *self {
            Self::Adam {
                beta1,
                beta2,
                epsilon,
                epsilon_added_to: _,
            } => share("beta1", beta1)
                .and(share("beta2", beta2))
                .and(above_zero("epsilon", epsilon, 1.0))
                .map_err(|e| e.under("adam")),
            Self::Sgd { momentum } => share("momentum", momentum).map_err(|e| e.under("sgd")),
        }
    }
}

impl From<OptimizerChoice> for OptimizerConfig {
    fn from(choice: OptimizerChoice) -> Self {
        match choice {
            OptimizerChoice::Adam {
                beta1,
                beta2,
                epsilon,
                epsilon_added_to,
            } => Self::Adam {
                beta1: beta1 as f32,
                beta2: beta2 as f32,
                epsilon: epsilon as f32,
                epsilon_added_to,
            },
            OptimizerChoice::Sgd { momentum } => Self::Sgd {
                momentum: momentum as f32,
            },
        }
    }
}

impl ClassWeights {
    /// Returns the weight of each class of `classes`, which have `counts` images in an epoch.
    pub fn resolve(&self, classes: &[String], counts: &[f64]) -> Result<Vec<f32>, String> {
        match self {
            Self::Rule(WeightRule::None) => Ok(vec![1.0; classes.len()]),
            Self::Rule(WeightRule::Balanced) => {
                let all: f64 = counts.iter().sum();
                // The weight of a class without images is never used.
                let divisor = |count: f64| if count > 0.0 { count } else { 1.0 };
                let weight =
                    |&count: &f64| all as f32 / (classes.len() as f64 * divisor(count)) as f32;
                Ok(counts.iter().map(weight).collect())
            }
            Self::ByClass(weights) => {
                if let Some(unknown) = weights.keys().find(|class| !classes.contains(class)) {
                    return Err(format!(
                        "unknown class `{unknown}` in `class_weights`: the classes are {}",
                        classes.join(", ")
                    ));
                }
                Ok(classes
                    .iter()
                    .map(|class| weights.get(class).copied().unwrap_or(1.0))
                    .collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::ImageShape;
    use serde_json::{Value, json};

    use super::{ClassWeights, Recipe, WeightRule};

    #[test]
    fn a_threshold_needs_two_classes_and_one_that_is_chosen_needs_images() {
        let image = ImageShape {
            height: 4,
            width: 4,
            channels: 1,
        };
        let check = |units: usize, threshold: Value, has_validation: bool| {
            let model = json!(["flatten", { "dense": { "units": units } }]);
            let params = json!({ "model": model, "threshold": threshold });
            let recipe: Recipe = serde_json::from_value(params).unwrap();
            recipe
                .check(image, None, has_validation)
                .map(drop)
                .map_err(|invalid| invalid.message)
        };
        assert_eq!(check(1, json!("youden"), true), Ok(()));
        let message = "`threshold` is to be chosen on validation images, but there are none";
        assert_eq!(check(1, json!("f1"), false), Err(message.to_owned()));
        assert_eq!(check(3, json!(0.5), false), Ok(()));
        let message = "`threshold` needs two classes, but the network distinguishes 3";
        assert_eq!(check(3, json!(0.25), true), Err(message.to_owned()));
        assert_eq!(check(3, json!("f1"), true), Err(message.to_owned()));
    }

    /// Expected values from numpy 2.4.6: `f(sum(c)) / f(len(c) * k) for k in c`, with `f = np.float32`.
    #[test]
    fn balanced_weights_are_inverse_to_the_counts() {
        let balanced = |counts: &[f64]| {
            let classes: Vec<String> = (0..counts.len()).map(|class| class.to_string()).collect();
            let weights = ClassWeights::Rule(WeightRule::Balanced).resolve(&classes, counts);
            weights.unwrap()
        };
        assert_eq!(balanced(&[1341.0, 3875.0]), [1.944_817_3, 0.673_032_3]);
        assert_eq!(
            balanced(&[7.0, 11.0, 13.0]),
            [1.476_190_4, 0.939_393_94, 0.794_871_8]
        );
        // 225 of 225 images, and 113 of 1800 from a part with 180 and 1620.
        assert_eq!(balanced(&[236.3, 326.7]), [1.191_282_3, 0.861_646_7]);
        assert_eq!(balanced(&[0.0, 4.0])[1], 0.5);
    }
}
