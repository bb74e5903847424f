//! Computing on NVIDIA GPUs.
//!
//! A process computes on the first GPU that it can see; the engine makes the right one visible to each worker.
//! Tensors are those of dfdx. Each operation in `ops` has a `cuda.rs`, which launches kernels on dfdx's
//! stream, so that everything runs in the order of the calls. Kernels are CUDA C++ in `.cu` files:
//! `compiler.rs` compiles them at run time with NVRTC, and `kernels.rs` launches them. Convolutions have
//! kernels of their own (`convolution`), and products of matrices use cuBLAS (`product.rs`).
//!
//! Equal calls give equal bits on equal GPUs: sums never use atomics, and the division of work depends only
//! on shapes and on the GPU's size.

mod compiler;
pub mod convolution;
mod functions;
mod kernels;
pub mod layer;
mod libraries;
pub mod memory;
mod product;
mod refusal;
mod survey;
mod transfer;

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use contract::{Failure, Precision, lock};
use cudarc::cublas::CudaBlas;
use cudarc::driver::sys::CUdevice_attribute as Attribute;
use cudarc::driver::{CudaDevice, DevicePtr, DriverError};
use dfdx::tensor::{Cache, Cuda, CudaError, Storage};

use crate::DeviceError;

pub use kernels::{Argument, Constant, Grid, Source};
pub use memory::{Buffer, address, buffer_address};
pub use product::{Matrix, product};
pub use refusal::last_refusal;
pub use survey::{free_memory, gpus, libraries};

use kernels::Kernels;
use transfer::Transfers;

impl DeviceError for CudaError {
    const HINT: &'static str = "; run `runner doctor` to check whether the GPU still works";

    fn cause(&self) -> String {
        memory::describe(self)
    }

    fn out_of_memory(&self) -> Option<String> {
        match self {
            Self::Cpu(error) => error.out_of_memory(),
            error => memory::is_out_of_memory(error).then(last_refusal),
        }
    }
}

/// The GPU of this process.
pub struct Context {
    cuda: Handle,
    device: Arc<CudaDevice>,
    kernels: Kernels,
    blas: Mutex<CudaBlas>,
    scratch: Mutex<Buffer>,
    transfers: Transfers,
    /// Number of multiprocessors. A launch with fewer blocks leaves some of them idle.
    pub multiprocessors: usize,
}

/// dfdx's device, which is created once.
struct Handle(Cuda);

// SAFETY: only the stream handle in it is not `Send` and `Sync` by itself, and the driver accepts that from
// any thread.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

/// Opens the first GPU that this process can see, with `precision` for all operations from now on.
///
/// # Errors
/// If there is no GPU, or it cannot be used. The error says what is missing.
pub fn open(precision: Precision) -> Result<Cuda, Failure> {
    let context = CONTEXT.get_or_init(Context::open).as_ref();
    let context = context.map_err(Clone::clone)?;
    TF32.store(precision == Precision::Tf32, Ordering::Relaxed);
    Ok(context.cuda.0.clone())
}

/// Returns the GPU that was opened.
///
/// # Panics
/// If none was opened. This cannot happen while a tensor is on the GPU.
pub fn context() -> &'static Context {
    match CONTEXT.get() {
        Some(Ok(context)) => context,
        _ => panic!("the GPU was not opened"),
    }
}

/// Frees the memory that dfdx keeps for reuse. Returns whether this succeeded.
fn free_cached_memory() -> bool {
    let Some(Ok(context)) = CONTEXT.get() else {
        return false;
    };
    // Memory that is freed in the order of a stream becomes available when the stream reaches that point.
    context.cuda.0.try_empty_cache().is_ok() && context.device.synchronize().is_ok()
}

static CONTEXT: OnceLock<Result<Context, Failure>> = OnceLock::new();

/// `true` if matrix products and convolutions use TF32.
static TF32: AtomicBool = AtomicBool::new(true);

thread_local! {
    /// Replaces the process's precision on this thread.
    static OVERRIDE: Cell<Option<Precision>> = const { Cell::new(None) };
}

/// Calls `f` with this precision for all operations that `f` calls on this thread.
pub fn with_precision<R>(precision: Precision, f: impl FnOnce() -> R) -> R {
    /// Restores the previous precision, even if `f` unwinds.
    struct Before(Option<Precision>);
    impl Drop for Before {
        fn drop(&mut self) {
            OVERRIDE.set(self.0);
        }
    }
    let _before = Before(OVERRIDE.replace(Some(precision)));
    f()
}

/// Returns the precision for operations that this thread calls.
pub fn precision() -> Precision {
    OVERRIDE
        .get()
        .unwrap_or(match TF32.load(Ordering::Relaxed) {
            true => Precision::Tf32,
            false => Precision::Float32,
        })
}

impl Context {
    fn open() -> Result<Self, Failure> {
        survey::start().map_err(|no_gpu| {
            Failure::System(format!("there is no GPU to compute on: {no_gpu}"))
        })?;
        for library in [&libraries::NVRTC, &libraries::CUBLAS] {
            library.load().map_err(|why| {
                Failure::System(format!(
                    "{} is needed to compute on a GPU: {why}; install the CUDA toolkit, or add the \
                     folder of its libraries to `LD_LIBRARY_PATH`",
                    library.name
                ))
            })?;
        }
        Self::build().map_err(|error| match error.out_of_memory() {
            Some(wanted) => Failure::OutOfMemory(wanted),
            None => Failure::System(format!("the GPU cannot be used: {}", error.cause())),
        })
    }

    fn build() -> Result<Self, CudaError> {
        let cuda = Cuda::try_build(0, 0)?;
        // Freed memory is kept for the next tensor of the same size, because every step has the same tensors. If a
        // tensor of another size needs the memory, `free_cached_memory` frees it.
        cuda.try_enable_cache()?;
        let scratch: Buffer = cuda.try_alloc_len(0)?;
        let device = scratch.device();
        let attribute = |attribute| device.attribute(attribute);
        let capability = (
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        );
        let multiprocessors = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        memory::check_addresses(&cuda)?;
        Ok(Self {
            kernels: Kernels::new(capability),
            blas: Mutex::new(CudaBlas::new(device.clone())?),
            transfers: Transfers::new()?,
            multiprocessors: multiprocessors.max(1) as usize,
            device,
            scratch: Mutex::new(scratch),
            cuda: Handle(cuda),
        })
    }

    /// Launches a kernel; see [`Kernels::launch`].
    ///
    /// # Safety
    /// As for [`Kernels::launch`].
    pub unsafe fn launch(
        &self,
        source: &Source,
        function: &'static str,
        constants: &[Constant],
        grid: Grid,
        arguments: &[Argument],
    ) -> Result<(), DriverError> {
        self.device.bind_to_thread()?;
        // SAFETY: the caller upholds the contract above.
        unsafe {
            self.kernels
                .launch(source, function, constants, grid, arguments)
        }
    }

    /// Returns memory for at least `len` values, in which kernels pass results to later kernels. Its content is
    /// unspecified. Other callers wait until the returned guard is dropped.
    pub fn scratch(&self, len: usize) -> Result<Scratch<'_>, CudaError> {
        let mut buffer = lock(&self.scratch);
        if Storage::<f32>::len(&self.cuda.0, &buffer) < len {
            *buffer = self.cuda.0.try_alloc_len(len.next_power_of_two())?;
        }
        Ok(Scratch(buffer))
    }
}

/// Memory that the kernels of one operation share.
pub struct Scratch<'a>(MutexGuard<'a, Buffer>);

impl Scratch<'_> {
    /// Returns the address of the value at `index`.
    pub fn at(&self, index: usize) -> Argument {
        Argument::Pointer(*self.0.device_ptr() + (index * size_of::<f32>()) as u64)
    }
}
