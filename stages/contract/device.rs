//! Where a stage computes, and how exactly.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Where a stage computes. It is in the key: equal stages give results on a GPU that differ from the
/// CPU's in the last digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Device {
    Cpu,
    /// An NVIDIA GPU. Which one, the process that computes is told by what it can see.
    Cuda {
        precision: Precision,
    },
}

/// How a GPU multiplies matrices of 32-bit floats. Everything else, and everything on the CPU, is
/// computed in float32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Factors are rounded to 10 bits after the point (TensorFloat-32), sums are kept in float32: on
    /// GPUs that have units for it, several times as fast.
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
    /// From its name: what is no text is told so.
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
