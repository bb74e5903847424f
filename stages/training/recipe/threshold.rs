//! [`ThresholdRule`]: how the threshold that is stored with a model of two classes is chosen.

use contract::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

impl ThresholdRule {
    /// Checks the range of a fixed threshold, and that there are images to choose one on.
    pub(super) fn check(self, has_validation: bool) -> Result<(), Invalid> {
        match self {
            Self::Fixed(threshold) if !(threshold > 0.0 && threshold < 1.0) => Err(Invalid::new(
                format!("`threshold` is {threshold}; it must be above 0 and below 1"),
            )),
            Self::Chosen(_) if !has_validation => Err(Invalid::new(
                "`threshold` is to be chosen on validation images, but there are none",
            )
            .hint("connect the input `validation`, or set a probability")),
            Self::Fixed(_) | Self::Chosen(_) => Ok(()),
        }
    }
}
