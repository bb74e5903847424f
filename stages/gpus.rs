//! The GPUs of this machine. Without the feature `cuda`, there are none.

#[cfg(feature = "cuda")]
pub use ops::cuda::{free_memory, gpus, libraries};
#[cfg(feature = "cuda")]
pub use ops::self_test;

use std::sync::OnceLock;

#[cfg(not(feature = "cuda"))]
use contract::{Failure, GpuCheck, GpuLibrary, Precision};
use contract::{Gpu, NoGpu};

/// Returns the GPUs of this machine. Only the first call in a process queries the driver, because a query
/// takes time.
pub fn survey() -> &'static Result<Vec<Gpu>, NoGpu> {
    static GPUS: OnceLock<Result<Vec<Gpu>, NoGpu>> = OnceLock::new();
    GPUS.get_or_init(gpus)
}

/// Returns the GPUs that the driver shows to this process, in the driver's order; at least one.
///
/// # Errors
/// Fails if there is none. The error says why.
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
/// Returns the driver's error. Without CUDA, always fails.
#[cfg(not(feature = "cuda"))]
pub fn free_memory(_index: usize) -> Result<u64, String> {
    Err(NoGpu::NotBuilt.to_string())
}

/// Compares the results of every operation on the first visible GPU with those on the CPU, in float32. With
/// [`Precision::Tf32`], also compares the operations that support TF32 in that precision.
///
/// # Errors
/// Fails if the GPU cannot be used. Without CUDA, always fails.
#[cfg(not(feature = "cuda"))]
pub fn self_test(_precision: Precision) -> Result<Vec<GpuCheck>, Failure> {
    Err(Failure::System(NoGpu::NotBuilt.to_string()))
}
