//! Computing on NVIDIA GPUs.
//!
//! A process computes on one GPU, the first that it can see: the engine shows each worker its own.
//! Tensors are dfdx's; the operations of `ops` have a `cuda.rs` each, which launches kernels
//! (`kernels.rs`; CUDA C++ in the `.cu` files, compiled at run time by NVRTC in `compiler.rs`) on
//! dfdx's stream, so everything happens in the order of the calls. Convolutions are one kind of kernel
//! (`convolution`), products of matrices are cuBLAS' (`product.rs`).
//!
//! Equal calls give equal bits on equal GPUs: no result is summed by atomics, and how work is divided
//! follows from shapes and the GPU's size alone.

mod compiler;
pub mod convolution;
mod functions;
mod kernels;
pub mod layer;
mod libraries;
pub mod memory;
mod product;
mod refusal;
mod self_test;
mod survey;
mod transfer;

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use contract::{Failure, Precision};
use cudarc::cublas::CudaBlas;
use cudarc::driver::sys::CUdevice_attribute as Attribute;
use cudarc::driver::{CudaDevice, DevicePtr, DriverError};
use dfdx::tensor::{Cache, Cuda, CudaError, Storage};

use crate::ops::DeviceError;

pub use kernels::{Argument, Constant, Grid, Source};
pub use memory::{Buffer, address, buffer_address};
pub use product::{Matrix, product};
pub use refusal::refused;
pub use self_test::self_test;
pub use survey::{free_memory, gpus, libraries};

use kernels::Kernels;
use transfer::Carriers;

/// The GPU of this process.
pub struct Context {
    cuda: Handle,
    device: Arc<CudaDevice>,
    kernels: Kernels,
    blas: Mutex<CudaBlas>,
    scratch: Mutex<Buffer>,
    carriers: Carriers,
    /// How many blocks it takes to keep the whole GPU at work.
    pub multiprocessors: usize,
}

/// dfdx's device, which is made once.
struct Handle(Cuda);

// SAFETY: of what it holds only a handle of a stream is not `Send` and `Sync` by itself; the driver
// takes it from any thread.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

/// The first GPU that this process sees, with `precision` for all operations from now on.
///
/// # Errors
/// If there is no GPU, or it cannot be used: with what is missing.
pub fn open(precision: Precision) -> Result<Cuda, Failure> {
    let context = CONTEXT.get_or_init(Context::open).as_ref();
    let context = context.map_err(Clone::clone)?;
    TF32.store(precision == Precision::Tf32, Ordering::Relaxed);
    Ok(context.cuda.0.clone())
}

/// The GPU that was opened.
///
/// # Panics
/// If none was: where tensors are on it, it was.
pub fn context() -> &'static Context {
    match CONTEXT.get() {
        Some(Ok(context)) => context,
        _ => panic!("a GPU that was opened"),
    }
}

/// Frees the memory that dfdx keeps for reuse; whether that was done.
fn give_up_kept_memory() -> bool {
    let Some(Ok(context)) = CONTEXT.get() else {
        return false;
    };
    // Memory that is freed in the order of a stream is there once the stream comes to it.
    context.cuda.0.try_empty_cache().is_ok() && context.device.synchronize().is_ok()
}

static CONTEXT: OnceLock<Result<Context, Failure>> = OnceLock::new();

/// Whether products are computed in TF32.
static TF32: AtomicBool = AtomicBool::new(true);

thread_local! {
    /// In place of the process' precision.
    static OVERRIDE: Cell<Option<Precision>> = const { Cell::new(None) };
}

/// Calls `f`, in which operations that this thread calls have this precision.
pub fn with_precision<R>(precision: Precision, f: impl FnOnce() -> R) -> R {
    /// Goes back, also where `f` unwinds.
    struct Before(Option<Precision>);
    impl Drop for Before {
        fn drop(&mut self) {
            OVERRIDE.set(self.0);
        }
    }
    let _before = Before(OVERRIDE.replace(Some(precision)));
    f()
}

/// The precision of the operation that this thread is in.
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
        survey::start()
            .map_err(|no_gpu| Failure::System(format!("no GPU to compute on: {no_gpu}")))?;
        for library in [&libraries::NVRTC, &libraries::CUBLAS] {
            library.load().map_err(|why| {
                Failure::System(format!(
                    "no {} to compute on a GPU with: {why}; install the CUDA toolkit, or name the folder \
                     of its libraries in LD_LIBRARY_PATH",
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
        // Freed memory is kept for the next tensor of its size: every step has the same ones. Where it is in the
        // way of another, `give_up_kept_memory` frees it.
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
            carriers: Carriers::new()?,
            multiprocessors: multiprocessors.max(1) as usize,
            device,
            scratch: Mutex::new(scratch),
            cuda: Handle(cuda),
        })
    }

    /// Launches a kernel: see [`Kernels::launch`].
    ///
    /// # Safety
    /// The arguments are those of the kernel, in order; every pointer leads to as much memory as the
    /// kernel uses.
    pub unsafe fn launch(
        &self,
        source: &Source,
        function: &'static str,
        constants: &[Constant],
        grid: Grid,
        arguments: &[Argument],
    ) -> Result<(), DriverError> {
        self.device.bind_to_thread()?;
        // SAFETY: what the caller promises.
        unsafe {
            self.kernels
                .launch(source, function, constants, grid, arguments)
        }
    }

    /// Memory of at least `len` values for what kernels leave for the next ones, as long as the guard is
    /// held: others wait. What is in it is of any value.
    pub fn scratch(&self, len: usize) -> Result<Scratch<'_>, CudaError> {
        let mut buffer = lock(&self.scratch);
        if Storage::<f32>::len(&self.cuda.0, &buffer) < len {
            *buffer = self.cuda.0.try_alloc_len(len.next_power_of_two())?;
        }
        Ok(Scratch(buffer))
    }
}

/// Memory that the calls of one operation share.
pub struct Scratch<'a>(MutexGuard<'a, Buffer>);

impl Scratch<'_> {
    /// The address of the value at `index`.
    pub fn at(&self, index: usize) -> Argument {
        Argument::Pointer(*self.0.device_ptr() + (index * size_of::<f32>()) as u64)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
