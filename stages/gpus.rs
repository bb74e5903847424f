//! Which GPUs there are.

#[cfg(feature = "cuda")]
pub use crate::cuda::{free_memory, gpus, libraries, self_test};

use std::path::PathBuf;
use std::sync::OnceLock;

#[cfg(not(feature = "cuda"))]
use contract::Failure;
use contract::{Gpu, NoGpu, Precision};

/// The GPUs of this machine. The driver is asked once per process, and only if somebody needs the answer,
/// because it takes time.
pub fn survey() -> &'static Result<Vec<Gpu>, NoGpu> {
    static GPUS: OnceLock<Result<Vec<Gpu>, NoGpu>> = OnceLock::new();
    GPUS.get_or_init(gpus)
}

/// The GPUs that the driver shows this process, in its order; at least one.
///
/// # Errors
/// If there is none, and why.
#[cfg(not(feature = "cuda"))]
pub fn gpus() -> Result<Vec<Gpu>, NoGpu> {
    Err(NoGpu::NotBuilt)
}

/// A library that computing on GPUs takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    pub name: &'static str,
    /// Its version and file, or why it is not there.
    pub found: Result<(String, PathBuf), String>,
}

/// How an operation on a GPU agrees with the CPU.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub operation: String,
    pub precision: Precision,
    /// The largest difference over the largest value, of outputs and of gradients.
    pub error: f64,
    /// What it may be.
    pub bound: f64,
}

/// The driver, NVRTC and cuBLAS: version and file of each, or why it is not there. None in a binary without
/// CUDA.
#[cfg(not(feature = "cuda"))]
pub fn libraries() -> Vec<Library> {
    Vec::new()
}

/// Memory of a GPU that nothing takes, in bytes.
///
/// # Errors
/// What the driver says; here, that there is none to ask.
#[cfg(not(feature = "cuda"))]
pub fn free_memory(_index: usize) -> Result<u64, String> {
    Err(NoGpu::NotBuilt.to_string())
}

/// Computes every operation on the first GPU that this process sees and on the CPU: in float32, and for
/// [`Precision::Tf32`] also in that.
///
/// # Errors
/// If the GPU cannot be computed on; here, that there is none.
#[cfg(not(feature = "cuda"))]
pub fn self_test(_precision: Precision) -> Result<Vec<Check>, Failure> {
    Err(Failure::System(NoGpu::NotBuilt.to_string()))
}
