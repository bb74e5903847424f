//! Descriptions of GPUs and of their libraries, and the reasons why there is no GPU to compute on.

use std::path::PathBuf;

use serde::Serialize;

use super::Precision;

/// A GPU that this binary can compute on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gpu {
    /// CUDA's index of the GPU, from 0, among those that `CUDA_VISIBLE_DEVICES` leaves visible.
    pub index: usize,
    pub name: String,
    /// In the format of `CUDA_VISIBLE_DEVICES`: `GPU-` and 32 hexadecimal digits in groups.
    pub uuid: String,
    /// Major and minor version: 9 and 0 for an H100.
    pub compute_capability: (i32, i32),
    /// Total memory, in bytes.
    pub memory: u64,
}

/// Reason why there is no GPU to compute on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoGpu {
    #[error("this binary was built without CUDA")]
    NotBuilt,
    /// The message says which libraries were searched for and what the system answered.
    #[error("there is no NVIDIA driver: {0}")]
    NoDriver(String),
    #[error("the NVIDIA driver sees no GPU")]
    NoDevice,
    #[error("the NVIDIA driver does not work: {0}")]
    Driver(String),
}

/// A library that is required for computing on GPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuLibrary {
    pub name: &'static str,
    /// Version and file of the library, or the reason why it was not found.
    pub found: Result<(String, PathBuf), String>,
}

/// Agreement of a GPU operation with the CPU.
#[derive(Clone, Debug, PartialEq)]
pub struct GpuCheck {
    pub operation: String,
    pub precision: Precision,
    /// Largest difference divided by the largest value, over outputs and gradients.
    pub error: f64,
    /// Largest `error` that is accepted.
    pub bound: f64,
}
