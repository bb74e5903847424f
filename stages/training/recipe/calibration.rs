//! [`CalibrationMethod`]: the change of probabilities that is fitted on the validation images.

use contract::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Method that calibrates the probabilities of the trained network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum CalibrationMethod {
    /// The probabilities stay those of the network.
    #[default]
    None,
    /// Divides the logits by one number, the temperature (Guo et al., 2017). The most probable class stays the same.
    Temperature,
    /// For two classes: a line through the logits (Platt, 1999), which also moves probabilities that are too high or
    /// too low on average.
    Platt,
}

impl CalibrationMethod {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Temperature => "temperature",
            Self::Platt => "platt",
        }
    }

    /// Checks that there are images to fit on, and two classes if the method needs these.
    pub(super) fn check(self, classes: usize, has_validation: bool) -> Result<(), Invalid> {
        if self != Self::None && !has_validation {
            return Err(Invalid::new(format!(
                "`calibration: {}` needs validation images",
                self.name()
            ))
            .hint("connect the input `validation`"));
        }
        if self == Self::Platt && classes > 2 {
            return Err(Invalid::new(format!(
                "`calibration: platt` needs two classes, but the network distinguishes {classes}"
            ))
            .hint("use `temperature`, which any number of classes can have"));
        }
        Ok(())
    }
}
