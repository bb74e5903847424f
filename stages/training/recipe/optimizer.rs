//! [`OptimizerChoice`]: the rule that turns gradients into steps.

use contract::{
    Invalid, bare_name,
    ranges::{above_zero, share},
};
use ops::optimizer::{OptimizerConfig, SecondMoment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Adam with decoupled weight decay (Loshchilov and Hutter, 2019), in PyTorch's form.
    #[serde(rename = "adamw")]
    AdamW {
        /// Decay rate of the first moment.
        #[serde(default = "beta1")]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        beta1: f64,
        /// Decay rate of the second moment.
        #[serde(default = "beta2")]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        beta2: f64,
        /// Added to the root of the corrected second moment to avoid a division by zero.
        #[serde(default = "small_epsilon")]
        #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
        epsilon: f64,
        /// Share of each weight, times the learning rate, that is taken off it in each step. Biases and the scales and
        /// shifts of normalization do not decay.
        #[serde(default = "weight_decay")]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        weight_decay: f64,
    },
    /// RMSprop in PyTorch's form, not centered: each gradient is divided by √(mean square) + `epsilon`. (In TensorFlow
    /// and Keras, `epsilon` is below the root.)
    #[serde(rename = "rmsprop")]
    RmsProp {
        /// Decay rate of the mean square.
        #[serde(default = "decay")]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        decay: f64,
        /// Share of the last step that the next one keeps.
        #[serde(default)]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        momentum: f64,
        /// Added to the root of the mean square to avoid a division by zero.
        #[serde(default = "small_epsilon")]
        #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
        epsilon: f64,
    },
    /// Stochastic gradient descent with classical momentum.
    Sgd {
        /// Share of the last step that the next one keeps.
        #[serde(default)]
        #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
        momentum: f64,
        /// Share of each weight that is added to its gradient, as in PyTorch. Biases and the scales and shifts of
        /// normalization do not decay.
        #[serde(default, skip_serializing_if = "super::is_zero")]
        #[schemars(range(min = 0), extend("default" = 0.0, "exclusiveMaximum" = 1))]
        weight_decay: f64,
    },
}

pub(super) fn adam() -> OptimizerChoice {
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
fn small_epsilon() -> f64 {
    1e-8
}
fn weight_decay() -> f64 {
    0.01
}
fn decay() -> f64 {
    0.99
}

impl OptimizerChoice {
    /// Returns the number of values that the optimizer keeps for each parameter.
    pub(super) fn moments(&self) -> u64 {
        match self {
            Self::Adam { .. } | Self::AdamW { .. } | Self::RmsProp { .. } => 2,
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
            Self::AdamW {
                beta1,
                beta2,
                epsilon,
                weight_decay,
            } => share("beta1", beta1)
                .and(share("beta2", beta2))
                .and(above_zero("epsilon", epsilon, 1.0))
                .and(share("weight_decay", weight_decay))
                .map_err(|e| e.under("adamw")),
            Self::RmsProp {
                decay,
                momentum,
                epsilon,
            } => share("decay", decay)
                .and(share("momentum", momentum))
                .and(above_zero("epsilon", epsilon, 1.0))
                .map_err(|e| e.under("rmsprop")),
            Self::Sgd {
                momentum,
                weight_decay,
            } => share("momentum", momentum)
                .and(share("weight_decay", weight_decay))
                .map_err(|e| e.under("sgd")),
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
            OptimizerChoice::AdamW {
                beta1,
                beta2,
                epsilon,
                weight_decay,
            } => Self::AdamW {
                beta1: beta1 as f32,
                beta2: beta2 as f32,
                epsilon: epsilon as f32,
                weight_decay: weight_decay as f32,
            },
            OptimizerChoice::RmsProp {
                decay,
                momentum,
                epsilon,
            } => Self::RmsProp {
                decay: decay as f32,
                momentum: momentum as f32,
                epsilon: epsilon as f32,
            },
            OptimizerChoice::Sgd {
                momentum,
                weight_decay,
            } => Self::Sgd {
                momentum: momentum as f32,
                weight_decay: weight_decay as f32,
            },
        }
    }
}
