//! A layer as it is declared in a pipeline.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bare_name;
use crate::ops::Activation;

/// One layer of a network. In YAML a layer with parameters is a map of one key
/// (`conv: { filters: 32 }`); one whose defaults suffice is its name alone (`flatten`).
///
/// `remote = "Self"` makes the derived code inherent functions: the trait's `deserialize` below adds
/// the bare name to the map form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, remote = "Self")]
pub enum Layer {
    /// Convolution, bias and activation.
    Conv(Conv),
    /// Transposed convolution, bias and activation.
    ConvTranspose(ConvTranspose),
    MaxPool(Pool),
    AvgPool(Pool),
    /// The mean of each channel: 1×1 images.
    GlobalAvgPool {},
    BatchNorm(Norm),
    /// The share of values set to zero while training, in [0, 1).
    Dropout(f32),
    Flatten {},
    /// A fully connected layer; needs flattened input.
    Dense(Dense),
    Reshape(Reshape),
    /// Enlarges by a whole factor, repeating pixels.
    Upsample(usize),
    Activation(Activation),
}

/// How far an image is extended by zeros on each side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Padding {
    Named(NamedPadding),
    /// Pixels on every side.
    Pixels(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedPadding {
    /// The output is the input's size divided (transposed: multiplied) by the stride.
    Same,
    /// None.
    Valid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Output channels, at least 1.
    pub filters: usize,
    /// Side of the square kernel in pixels, at least 1.
    #[serde(default = "three")]
    pub kernel: usize,
    #[serde(default = "one")]
    pub stride: usize,
    #[serde(default = "same")]
    pub padding: Padding,
    #[serde(default = "relu")]
    pub activation: Activation,
    /// Adds `l1 · Σ|w|` over the kernel to the loss.
    #[serde(default)]
    pub l1: f32,
    /// Adds `l2 · Σw²` over the kernel to the loss.
    #[serde(default)]
    pub l2: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvTranspose {
    /// Output channels, at least 1.
    pub filters: usize,
    #[serde(default = "four")]
    pub kernel: usize,
    #[serde(default = "two")]
    pub stride: usize,
    #[serde(default = "same")]
    pub padding: Padding,
    #[serde(default = "relu")]
    pub activation: Activation,
}

/// Pooling windows; `max_pool: 2` is short for `{ kernel: 2, stride: 2 }`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pool {
    pub kernel: usize,
    /// The kernel's size unless given.
    pub stride: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Norm {
    /// Share of the old running statistics kept at each batch, in [0, 1).
    #[serde(default = "momentum")]
    pub momentum: f32,
    #[serde(default = "epsilon")]
    pub epsilon: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    pub units: usize,
    #[serde(default = "linear")]
    pub activation: Activation,
    /// Adds `l1 · Σ|w|` over the weights to the loss.
    #[serde(default)]
    pub l1: f32,
    /// Adds `l2 · Σw²` over the weights to the loss.
    #[serde(default)]
    pub l2: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reshape {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

fn one() -> usize {
    1
}
fn two() -> usize {
    2
}
fn three() -> usize {
    3
}
fn four() -> usize {
    4
}
fn same() -> Padding {
    Padding::Named(NamedPadding::Same)
}
fn relu() -> Activation {
    Activation::Relu
}
fn linear() -> Activation {
    Activation::Linear
}
fn momentum() -> f32 {
    0.9
}
fn epsilon() -> f32 {
    1e-3
}

impl Layer {
    /// The layer's name as it is written in a pipeline.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conv(_) => "conv",
            Self::ConvTranspose(_) => "conv_transpose",
            Self::MaxPool(_) => "max_pool",
            Self::AvgPool(_) => "avg_pool",
            Self::GlobalAvgPool {} => "global_avg_pool",
            Self::BatchNorm(_) => "batch_norm",
            Self::Dropout(_) => "dropout",
            Self::Flatten {} => "flatten",
            Self::Dense(_) => "dense",
            Self::Reshape(_) => "reshape",
            Self::Upsample(_) => "upsample",
            Self::Activation(_) => "activation",
        }
    }
}

impl Layer {
    /// The activation that its output goes through; none for layers without one.
    pub fn activation(&self) -> Option<Activation> {
        match self {
            Self::Conv(conv) => Some(conv.activation),
            Self::ConvTranspose(conv) => Some(conv.activation),
            Self::Dense(dense) => Some(dense.activation),
            Self::Activation(activation) => Some(*activation),
            _ => None,
        }
    }
}

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
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Full {
            kernel: usize,
            stride: Option<usize>,
        }

        struct PoolVisitor;

        impl<'de> Visitor<'de> for PoolVisitor {
            type Value = Pool;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a window size in pixels, or `{ kernel, stride }`")
            }

            fn visit_u64<E: de::Error>(self, size: u64) -> Result<Pool, E> {
                let kernel = usize::try_from(size).map_err(E::custom)?;
                Ok(Pool {
                    kernel,
                    stride: kernel,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Pool, A::Error> {
                let full = Full::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Pool {
                    kernel: full.kernel,
                    stride: full.stride.unwrap_or(full.kernel),
                })
            }
        }

        deserializer.deserialize_any(PoolVisitor)
    }
}

impl<'de> Deserialize<'de> for Padding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PaddingVisitor;

        impl Visitor<'_> for PaddingVisitor {
            type Value = Padding;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`same`, `valid` or a number of pixels")
            }

            fn visit_u64<E: de::Error>(self, pixels: u64) -> Result<Padding, E> {
                usize::try_from(pixels)
                    .map(Padding::Pixels)
                    .map_err(E::custom)
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
    fn a_layer_survives_its_canonical_form() {
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
        ] {
            let layer = parse(layer);
            assert_eq!(parse(serde_json::to_value(&layer).expect("json")), layer);
        }
    }

    #[test]
    fn errors_lead_to_the_parameter() {
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
