//! Reads layers in all spellings that a pipeline may use: bare names, and numbers or words for pooling and padding.

use std::fmt;

use contract::{Sides, bare_name};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::branches::FullResidual;
use super::windows::FullPool;
use super::{Layer, NamedPadding, Padding, Pool, Residual};

impl Serialize for Layer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Layer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct MapForm(#[serde(with = "Layer")] Layer);

        bare_name::deserialize(deserializer).map(|MapForm(layer)| layer)
    }
}

impl<'de> Deserialize<'de> for Pool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PoolVisitor;

        impl<'de> Visitor<'de> for PoolVisitor {
            type Value = Pool;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a window size in pixels, or `{ kernel, stride }`")
            }

            fn visit_u64<E: de::Error>(self, size: u64) -> Result<Pool, E> {
                let side = usize::try_from(size).map_err(E::custom)?;
                Ok(Pool::of(Sides([side, side]), None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, sides: A) -> Result<Pool, A::Error> {
                let kernel = Sides::deserialize(SeqAccessDeserializer::new(sides))?;
                Ok(Pool::of(kernel, None))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Pool, A::Error> {
                let full = FullPool::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Pool::of(full.kernel, full.stride))
            }
        }

        deserializer.deserialize_any(PoolVisitor)
    }
}

impl Serialize for Residual {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { layers, shortcut } = self.clone();
        match shortcut.is_empty() {
            true => layers.serialize(serializer),
            false => FullResidual { layers, shortcut }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Residual {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ResidualVisitor;

        impl<'de> Visitor<'de> for ResidualVisitor {
            type Value = Residual;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of layers, or `{ layers, shortcut }`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, layers: A) -> Result<Residual, A::Error> {
                let layers = Vec::deserialize(SeqAccessDeserializer::new(layers))?;
                let shortcut = Vec::new();
                Ok(Residual { layers, shortcut })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Residual, A::Error> {
                let full = FullResidual::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Residual {
                    layers: full.layers,
                    shortcut: full.shortcut,
                })
            }
        }

        deserializer.deserialize_any(ResidualVisitor)
    }
}

impl<'de> Deserialize<'de> for Padding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PaddingVisitor;

        impl<'de> Visitor<'de> for PaddingVisitor {
            type Value = Padding;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`same`, `valid`, a number of pixels or `[vertical, horizontal]`")
            }

            fn visit_u64<E: de::Error>(self, pixels: u64) -> Result<Padding, E> {
                usize::try_from(pixels)
                    .map(Padding::Pixels)
                    .map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, sides: A) -> Result<Padding, A::Error> {
                <[usize; 2]>::deserialize(SeqAccessDeserializer::new(sides)).map(Padding::Sides)
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Padding, E> {
                NamedPadding::deserialize(name.into_deserializer()).map(Padding::Named)
            }
        }

        deserializer.deserialize_any(PaddingVisitor)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: serde_json::Value) -> Layer {
        serde_json::from_value(value).expect("a layer")
    }

    #[test]
    fn a_bare_name_is_a_layer_with_its_defaults() {
        assert_eq!(parse(json!("flatten")), Layer::Flatten {});
        assert_eq!(
            parse(json!("batch_norm")),
            parse(json!({ "batch_norm": {} }))
        );
        assert_eq!(
            parse(json!({ "max_pool": 2 })),
            parse(json!({ "max_pool": { "kernel": 2, "stride": 2 } }))
        );
    }

    #[test]
    fn a_layer_round_trips_through_its_canonical_form() {
        for layer in [
            json!({ "conv": { "filters": 8, "padding": 0, "activation": "leaky_relu" } }),
            json!({ "conv_transpose": { "filters": 8, "stride": 1, "padding": "valid" } }),
            json!({ "avg_pool": { "kernel": 3, "stride": 1 } }),
            json!("global_avg_pool"),
            json!({ "dropout": 0.25 }),
            json!({ "dense": { "units": 1 } }),
            json!({ "reshape": { "channels": 4, "height": 2, "width": 2 } }),
            json!({ "upsample": 2 }),
            json!({ "activation": "tanh" }),
            json!({ "conv": { "filters": 8, "kernel": [3, 1], "groups": 2, "padding": [1, 0] } }),
            json!({ "depthwise_conv": { "stride": 2, "bias": false } }),
            json!({ "separable_conv": { "filters": 8, "dilation": [1, 2] } }),
            json!({ "max_pool": [2, 1] }),
            json!({ "residual": [{ "conv": { "filters": 8 } }, "batch_norm"] }),
            json!({ "residual": { "layers": [], "shortcut": ["batch_norm"] } }),
            json!({ "concat": [[], [{ "conv": { "filters": 8 } }]] }),
            json!({ "squeeze_excite": { "units": 2 } }),
            json!({ "inverted_residual": { "filters": 8, "batch_norm": { "momentum": 0.99 } } }),
            json!({ "normalize": { "mean": [0.5], "deviation": [0.25, 0.5] } }),
            json!({ "group_norm": { "groups": 2 } }),
        ] {
            let layer = parse(layer);
            assert_eq!(parse(serde_json::to_value(&layer).expect("json")), layer);
        }
    }

    #[test]
    fn errors_contain_the_path_of_the_parameter() {
        let layers = json!(["flatten", { "conv": { "filters": 8, "kernal": 3 } }]);
        let error =
            serde_path_to_error::deserialize::<_, Vec<Layer>>(layers).expect_err("unknown key");
        assert_eq!(error.path().to_string(), "[1].conv.kernal");
        let error =
            serde_json::from_value::<Layer>(json!("convolution")).expect_err("unknown layer");
        assert!(
            error.to_string().contains("unknown variant `convolution`"),
            "{error}"
        );
    }
}
