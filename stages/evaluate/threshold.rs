//! [`Threshold`]: the parameter `threshold` of `evaluate`.

use schemars::JsonSchema;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Threshold on a probability, for two classes only. With more, `model` predicts the most probable class, and a
/// number is an error.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema)]
#[schemars(untagged, inline)]
pub enum Threshold {
    /// The threshold that is stored with the model, on the calibrated probability of the last class; 0.5 if it has
    /// none.
    #[schemars(extend("type" = "string", "const" = "model"))]
    Model,
    /// This probability of the positive class.
    At(#[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))] f64),
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Model => serializer.serialize_str("model"),
            Self::At(value) => serializer.serialize_f64(*value),
        }
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl Visitor<'_> for Read {
            type Value = Threshold;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`model` or a number between 0 and 1")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Threshold, E> {
                match text {
                    "model" => Ok(Threshold::Model),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Threshold, E> {
                Ok(Threshold::At(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Threshold, E> {
                Ok(Threshold::At(value as f64))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Threshold, E> {
                Ok(Threshold::At(value as f64))
            }
        }

        deserializer.deserialize_any(Read)
    }
}
