//! The GPUs of this machine. Without the feature `cuda`, there are none.

#[cfg(feature = "cuda")]
pub use crate::cuda::{free_memory, gpus, libraries, self_test};

use std::sync::OnceLock;

#[cfg(not(feature = "cuda"))]
use contract::{Failure, GpuCheck, GpuLibrary, Precision};
use contract::{Gpu, NoGpu};

/// The GPUs of this machine. The driver is asked once per process, and only if somebody needs the answer,
/// because it takes time.
pub fn survey() -> &'static Result<Vec<Gpu>, NoGpu> {
    static GPUS: OnceLock<Result<Vec<Gpu>, NoGpu>> = OnceLock::new();
    GPUS.get_or_init(gpus)
}

/// Returns the GPUs that the driver shows to this process, in its order. There is at least one.
///
/// # Errors
/// If there is none. The error says why.
#[cfg(not(feature = "cuda"))]
pub fn gpus() -> Result<Vec<Gpu>, NoGpu> {
    Err(NoGpu::NotBuilt)
}

/// Returns the driver, NVRTC and cuBLAS: version and file of each, or the reason why it was not found. Empty
/// in a binary without CUDA.
#[cfg(not(feature = "cuda"))]
pub fn libraries() -> Vec<GpuLibrary> {
    Vec::new()
}

/// Returns the free memory of a GPU in bytes.
///
/// # Errors
/// The error of the driver. Without CUDA, that there is no GPU.
#[cfg(not(feature = "cuda"))]
pub fn free_memory(_index: usize) -> Result<u64, String> {
    Err(NoGpu::NotBuilt.to_string())
}

/// Computes every operation on the first GPU that this process sees and on the CPU: in float32, and for
/// [`Precision::Tf32`] also in that precision.
///
/// # Errors
/// If the GPU cannot be used. Without CUDA, that there is no GPU.
#[cfg(not(feature = "cuda"))]
pub fn self_test(_precision: Precision) -> Result<Vec<GpuCheck>, Failure> {
    Err(Failure::System(NoGpu::NotBuilt.to_string()))
}
