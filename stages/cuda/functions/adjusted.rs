//! Functions of the driver that do more here than to pass on a call, for what `cudarc` 0.9 makes of them:
//!
//! - dfdx allocates, clears and frees memory of no bytes with every tensor. Some drivers refuse that,
//!   others do not say what they do, so none is asked.
//! - `cudarc` panics where freeing fails, or making a context current before it. A GPU that has failed
//!   fails every later call, so that tensors which go as the first failure is passed on would panic,
//!   or end the process. Nobody misses freed memory then, and every other call tells the failure again.
//! - dfdx keeps freed memory for the next tensor of exactly its size. Where that leaves too little for another,
//!   it is given back to the driver, and the allocation is tried once more.
//! - What was refused for want of memory is remembered: errors do not say how much that was.

use std::ffi::{c_uchar, c_uint};
use std::sync::OnceLock;

use cudarc::driver::sys::{CUcontext, CUdeviceptr, CUresult, CUstream};

use super::Code;
use crate::cuda::libraries::DRIVER;
use crate::cuda::refusal;

/// The driver's own.
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

/// Defines functions of the driver by what they do; `real` has its own.
macro_rules! adjusted {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $body:block)*) => {
        $(
            /// NVIDIA's function of this name, adjusted.
            ///
            /// # Safety
            /// As NVIDIA documents it.
            #[unsafe(no_mangle)]
            #[allow(non_snake_case)]
            pub unsafe extern "C" fn $name($($argument: $type),*) -> CUresult {
                // SAFETY: what the caller promises.
                unsafe { $body }
            }
        )*
    };
}

adjusted! {
    fn cuCtxSetCurrent(context: CUcontext) {
        match real::cuCtxSetCurrent(context) {
            // Its own; all others are those of earlier launches.
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

/// What an allocator gives, by `call`; of no bytes, no memory.
///
/// # Safety
/// `pointer` leads to where one may be written.
unsafe fn allocated(
    pointer: *mut CUdeviceptr,
    bytes: usize,
    call: impl Fn() -> CUresult,
) -> CUresult {
    if bytes == 0 {
        // SAFETY: what the caller promises.
        unsafe { pointer.write(0) };
        return CUresult::CUDA_SUCCESS;
    }
    let mut result = call();
    if result == CUresult::CUDA_ERROR_OUT_OF_MEMORY && crate::cuda::give_up_kept_memory() {
        result = call();
    }
    refusal::remember(result, bytes);
    result
}

/// What freeing gives, by `call`: an error only where it is one of the program's.
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
