//! Driver functions that do more than forward a call, as `cudarc` 0.9 and dfdx require:
//!
//! - dfdx allocates, clears and frees memory of zero bytes with every tensor. Some drivers reject this and
//!   others do not specify it, so these calls do not reach the driver.
//! - `cudarc` panics if it cannot free memory, or cannot make the context current first. Once a GPU has failed,
//!   every later call fails, so tensors that are dropped while the first failure is propagated would panic or
//!   abort the process. These errors are ignored: the memory is not needed anymore, and every other call reports
//!   the failure again.
//! - dfdx keeps freed memory for the next tensor of exactly the same size. If too little is left for another size,
//!   the kept memory is returned to the driver and the allocation is tried once more.
//! - Failed allocations are remembered, because errors do not say how much memory was requested.

use std::ffi::{c_uchar, c_uint};
use std::sync::OnceLock;

use cudarc::driver::sys::{CUcontext, CUdeviceptr, CUresult, CUstream};

use super::Code;
use crate::cuda::libraries::DRIVER;
use crate::cuda::refusal;

/// The driver's own functions.
mod real {
    use super::*;

    forward! {
        [inline] DRIVER: CUresult;
        fn cuCtxSetCurrent(context: CUcontext);
        fn cuMemAlloc_v2(pointer: *mut CUdeviceptr, bytes: usize);
        fn cuMemAllocAsync(pointer: *mut CUdeviceptr, bytes: usize, stream: CUstream);
        fn cuMemFree_v2(pointer: CUdeviceptr);
        fn cuMemFreeAsync(pointer: CUdeviceptr, stream: CUstream);
        fn cuMemsetD8_v2(to: CUdeviceptr, value: c_uchar, count: usize);
        fn cuMemsetD8Async(to: CUdeviceptr, value: c_uchar, count: usize, stream: CUstream);
    }
}

/// Defines functions of the driver by their bodies. The driver's own functions are in `real`.
macro_rules! adjusted {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $body:block)*) => {
        $(
            /// NVIDIA's function of this name, adjusted.
            ///
            /// # Safety
            /// As documented by NVIDIA.
            #[unsafe(no_mangle)]
            #[allow(non_snake_case)]
            pub(super) unsafe extern "C" fn $name($($argument: $type),*) -> CUresult {
                // SAFETY: the caller upholds the contract above.
                unsafe { $body }
            }
        )*
    };
}

adjusted! {
    fn cuCtxSetCurrent(context: CUcontext) {
        match real::cuCtxSetCurrent(context) {
            // These are errors of this call. All other codes are errors of earlier launches.
            result @ (CUresult::CUDA_ERROR_SHARED_OBJECT_INIT_FAILED
            | CUresult::CUDA_ERROR_DEINITIALIZED
            | CUresult::CUDA_ERROR_NOT_INITIALIZED
            | CUresult::CUDA_ERROR_INVALID_CONTEXT
            | CUresult::CUDA_ERROR_INVALID_VALUE) => result,
            _ => CUresult::CUDA_SUCCESS,
        }
    }

    fn cuMemAlloc_v2(pointer: *mut CUdeviceptr, bytes: usize) {
        allocated(pointer, bytes, || real::cuMemAlloc_v2(pointer, bytes))
    }

    fn cuMemAllocAsync(pointer: *mut CUdeviceptr, bytes: usize, stream: CUstream) {
        allocated(pointer, bytes, || real::cuMemAllocAsync(pointer, bytes, stream))
    }

    fn cuMemFree_v2(pointer: CUdeviceptr) {
        freed(pointer, || real::cuMemFree_v2(pointer))
    }

    fn cuMemFreeAsync(pointer: CUdeviceptr, stream: CUstream) {
        freed(pointer, || real::cuMemFreeAsync(pointer, stream))
    }

    fn cuMemsetD8_v2(to: CUdeviceptr, value: c_uchar, count: usize) {
        match count {
            0 => CUresult::CUDA_SUCCESS,
            _ => real::cuMemsetD8_v2(to, value, count),
        }
    }

    fn cuMemsetD8Async(to: CUdeviceptr, value: c_uchar, count: usize, stream: CUstream) {
        match count {
            0 => CUresult::CUDA_SUCCESS,
            _ => real::cuMemsetD8Async(to, value, count, stream),
        }
    }
}

/// Calls an allocator, unless zero bytes are requested. If memory runs out, frees the memory that dfdx keeps for
/// reuse, and calls the allocator again.
///
/// # Safety
/// `pointer` must be valid for a write.
unsafe fn allocated(
    pointer: *mut CUdeviceptr,
    bytes: usize,
    call: impl Fn() -> CUresult,
) -> CUresult {
    if bytes == 0 {
        // SAFETY: the caller upholds the contract above.
        unsafe { pointer.write(0) };
        return CUresult::CUDA_SUCCESS;
    }
    let mut result = call();
    if result == CUresult::CUDA_ERROR_OUT_OF_MEMORY && crate::cuda::free_cached_memory() {
        result = call();
    }
    refusal::remember(result, bytes);
    result
}

/// Calls a function that frees memory. Returns an error only if the error shows a bug of this program and the
/// thread is not already panicking.
fn freed(pointer: CUdeviceptr, call: impl FnOnce() -> CUresult) -> CUresult {
    if pointer == 0 {
        return CUresult::CUDA_SUCCESS;
    }
    match call() {
        CUresult::CUDA_ERROR_INVALID_VALUE if !std::thread::panicking() => {
            CUresult::CUDA_ERROR_INVALID_VALUE
        }
        _ => CUresult::CUDA_SUCCESS,
    }
}
