//! [`ThresholdRule`]: how the threshold that is stored with a model of two classes is chosen.

use std::fmt;

use contract::{Invalid, ranges::above_zero};
use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};

use crate::metrics::Criterion;

/// Rule for the threshold.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema)]
#[schemars(untagged, inline)]
pub enum ThresholdRule {
    /// This probability of the second class.
    Fixed(#[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))] f32),
    Chosen(Criterion),
}

impl Default for ThresholdRule {
    fn default() -> Self {
        Self::Fixed(0.5)
    }
}

impl ThresholdRule {
    /// Checks the ranges, and that there are images to choose a threshold on.
    pub(super) fn check(self, has_validation: bool) -> Result<(), Invalid> {
        match self {
            Self::Fixed(threshold) if !(threshold > 0.0 && threshold < 1.0) => {
                return Err(Invalid::new(format!(
                    "`threshold` is {threshold}; it must be above 0 and below 1"
                )));
            }
            Self::Chosen(_) if !has_validation => {
                return Err(Invalid::new(
                    "`threshold` is to be chosen on validation images, but there are none",
                )
                .hint("connect the input `validation`, or set a probability"));
            }
            Self::Fixed(_) | Self::Chosen(Criterion::Youden | Criterion::F1) => {}
            Self::Chosen(Criterion::Sensitivity(least)) => above_zero("sensitivity", least, 1.0)?,
            Self::Chosen(Criterion::Specificity(least)) => above_zero("specificity", least, 1.0)?,
            Self::Chosen(Criterion::Cost {
                false_negative,
                false_positive,
            }) => above_zero("false_negative", false_negative, 1e6)
                .and_then(|()| above_zero("false_positive", false_positive, 1e6))
                .map_err(|e| e.under("cost"))?,
        }
        Ok(())
    }

    /// Returns the rule by which a threshold is chosen; `None` if it is fixed.
    pub(in crate::training) fn criterion(self) -> Option<Criterion> {
        match self {
            Self::Fixed(_) => None,
            Self::Chosen(criterion) => Some(criterion),
        }
    }
}

impl Serialize for ThresholdRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(threshold) => serializer.serialize_f32(*threshold),
            Self::Chosen(criterion) => criterion.serialize(serializer),
        }
    }
}

/// By hand, because an error in an untagged enum has no place.
impl<'de> Deserialize<'de> for ThresholdRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrRule)
    }
}

struct NumberOrRule;

impl<'de> Visitor<'de> for NumberOrRule {
    type Value = ThresholdRule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number between 0 and 1, `youden`, `f1`, or a map with `sensitivity`, `specificity` or `cost`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<ThresholdRule, E> {
        match name {
            "youden" | "f1" => {
                Criterion::deserialize(StrDeserializer::new(name)).map(ThresholdRule::Chosen)
            }
            "sensitivity" | "specificity" => Err(E::custom(format!(
                "`{name}` needs the value to reach: `{{ {name}: 0.95 }}`"
            ))),
            "cost" => Err(E::custom(
                "`cost` needs the costs of both errors: `{ cost: { false_negative: 5, false_positive: 1 } }`",
            )),
            _ => Err(E::invalid_value(de::Unexpected::Str(name), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ThresholdRule, A::Error> {
        Criterion::deserialize(MapAccessDeserializer::new(map)).map(ThresholdRule::Chosen)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<ThresholdRule, E> {
        Ok(ThresholdRule::Fixed(value as f32))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<ThresholdRule, E> {
        Ok(ThresholdRule::Fixed(value as f32))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<ThresholdRule, E> {
        Ok(ThresholdRule::Fixed(value as f32))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::ThresholdRule;

    #[test]
    fn a_rule_is_read_as_it_is_written() {
        for written in [
            json!(0.25),
            json!("youden"),
            json!("f1"),
            json!({ "sensitivity": 0.95 }),
            json!({ "specificity": 0.9 }),
            json!({ "cost": { "false_negative": 5.0, "false_positive": 1.0 } }),
        ] {
            let rule: ThresholdRule = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(json!(rule), written);
            assert!(rule.check(true).is_ok());
        }
    }

    #[test]
    fn wrong_rules_are_refused_with_a_reason() {
        let error = |written: Value| match serde_json::from_value::<ThresholdRule>(written) {
            Err(error) => error.to_string(),
            Ok(rule) => rule.check(true).unwrap_err().message,
        };
        for (written, reason) in [
            (
                json!(1.5),
                "`threshold` is 1.5; it must be above 0 and below 1",
            ),
            (
                json!("best"),
                "invalid value: string \"best\", expected a number between 0 and 1",
            ),
            (
                json!("sensitivity"),
                "`sensitivity` needs the value to reach",
            ),
            (json!("cost"), "`cost` needs the costs of both errors"),
            (
                json!({ "sensitivity": 1.5 }),
                "`sensitivity` is 1.5; it must be above 0 and at most 1",
            ),
            (
                json!({ "specificity": 0 }),
                "`specificity` is 0; it must be above 0 and at most 1",
            ),
            (
                json!({ "cost": { "false_negative": 5 } }),
                "missing field `false_positive`",
            ),
            (
                json!({ "cost": { "false_negative": 5, "false_positive": -1 } }),
                "`false_positive` is -1; it must be above 0",
            ),
            (json!({ "recall": 0.9 }), "unknown variant `recall`"),
        ] {
            let message = error(written.clone());
            assert!(message.starts_with(reason), "{written}: {message}");
        }
    }
}
