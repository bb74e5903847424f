//! GPUs as the engine knows them.

use serde::Serialize;

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
    /// In bytes.
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
