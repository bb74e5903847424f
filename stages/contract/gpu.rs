//! GPUs as the engine knows them.

use serde::Serialize;

/// A GPU that this binary can compute on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gpu {
    /// CUDA's number of it, from 0, in what `CUDA_VISIBLE_DEVICES` leaves visible.
    pub index: usize,
    pub name: String,
    /// As `CUDA_VISIBLE_DEVICES` takes it: `GPU-` and 32 hexadecimal digits in groups.
    pub uuid: String,
    /// Major and minor: 9 and 0 of an H100.
    pub compute_capability: (i32, i32),
    /// In bytes.
    pub memory: u64,
}

/// Why there is no GPU to compute on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoGpu {
    #[error("this binary was built without CUDA")]
    NotBuilt,
    /// The message says what was looked for, and what the system said.
    #[error("there is no NVIDIA driver: {0}")]
    NoDriver(String),
    #[error("the NVIDIA driver sees no GPU")]
    NoDevice,
    #[error("the NVIDIA driver does not work: {0}")]
    Driver(String),
}
