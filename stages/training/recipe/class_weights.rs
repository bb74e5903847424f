//! [`ClassWeights`]: the weight of each class's images in the loss.

use std::collections::BTreeMap;

use contract::{Invalid, json, ranges::above_zero, unknown_class};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

impl ClassWeights {
    /// Checks that `classes` has all classes with a weight of their own.
    pub(super) fn check_classes(&self, classes: &[String]) -> Result<(), Invalid> {
        match self {
            Self::Rule(_) => Ok(()),
            Self::ByClass(weights) => {
                let mut names = weights.keys();
                match names.find(|class| !classes.contains(class)) {
                    Some(unknown) => Err(unknown_class(unknown, classes).under(unknown)),
                    None => Ok(()),
                }
            }
        }
    }

    /// Checks the ranges of the weights.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let Self::ByClass(weights) = self else {
            return Ok(());
        };
        for (class, &weight) in weights {
            above_zero(class, json::shortest(weight), 1e6)?;
        }
        Ok(())
    }

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
    use super::{ClassWeights, WeightRule};

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
