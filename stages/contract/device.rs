//! The device that a stage computes on, and its numeric precision.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Device that a stage computes on. It is part of the key, because the results of a GPU differ from those of the
/// CPU in the last digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Device {
    Cpu,
    /// An NVIDIA GPU. The GPUs that are visible to the worker process determine which one.
    Cuda {
        precision: Precision,
    },
}

/// Precision of matrix products of 32-bit floats on a GPU. Everything else, and everything on the CPU, is
/// computed in float32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Factors are rounded to 10 bits after the point (TensorFloat-32), and sums are kept in float32. Several
    /// times as fast on GPUs that support it.
    #[default]
    Tf32,
    /// Factors and sums in float32.
    Float32,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda { precision } => write!(f, "cuda, {precision}"),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tf32 => "tf32",
            Self::Float32 => "float32",
        })
    }
}

impl<'de> Deserialize<'de> for Precision {
    /// Decodes a string first, so that a value of another type gets a type error.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "tf32" => Ok(Self::Tf32),
            "float32" => Ok(Self::Float32),
            _ => Err(format!("`{text}` is neither `tf32` nor `float32`")),
        }
    }
}
