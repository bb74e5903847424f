//! The functions of NVIDIA's libraries that `cudarc` and dfdx call.
//!
//! `cudarc` declares them as `extern "C"` and would make the linker require the libraries, so that a binary
//! with CUDA would not even start without a driver. Its feature `ci-check` prevents that, and the functions
//! are defined here instead. When a function is first called, it looks up the real function. If there is none, it
//! returns an error code of the library. So one binary runs everywhere, and `runner doctor` can report what is
//! missing.
//!
//! Codes that are newer than `cudarc` 0.9 are missing in its enums, and are replaced by the general error.
//! Functions that do more than forward a call are in `adjusted.rs`.

use std::ffi::{c_char, c_int, c_longlong, c_uint, c_void};
use std::sync::OnceLock;

use cudarc::cublas::sys as cublas;
use cudarc::cublas::sys::cublasStatus_t;
use cudarc::driver::sys as driver;
use cudarc::driver::sys::CUresult;
use cudarc::nvrtc::sys as nvrtc;
use cudarc::nvrtc::sys::nvrtcResult;

use super::libraries::{CUBLAS, DRIVER, NVRTC};

/// Result code of a library's functions.
trait Code: Copy {
    /// Code for a missing function.
    const MISSING: Self;

    fn of(code: c_uint) -> Self;
}

/// Implements [`Code`] for an enum: known codes become its values, all others `$other`.
macro_rules! code {
    ($type:ident, $missing:ident, $other:ident, [$($known:literal),* $(,)?]) => {
        impl Code for $type {
            const MISSING: Self = Self::$missing;

            fn of(code: c_uint) -> Self {
                const KNOWN: &[c_uint] = &[$($known),*];
                if KNOWN.contains(&code) {
                    // SAFETY: the enum is `repr(u32)`, and these are its values.
                    unsafe { std::mem::transmute::<c_uint, Self>(code) }
                } else {
                    Self::$other
                }
            }
        }
    };
}

code!(
    CUresult,
    CUDA_ERROR_SHARED_OBJECT_INIT_FAILED,
    CUDA_ERROR_UNKNOWN,
    [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 34, 46, 100, 101, 102, 200, 201, 202, 205, 206, 207, 208, 209,
        210, 211, 212, 213, 214, 215, 216, 217, 218, 219, 220, 221, 222, 223, 224, 300, 301, 302,
        303, 304, 400, 401, 500, 600, 700, 701, 702, 703, 704, 705, 708, 709, 710, 711, 712, 713,
        714, 715, 716, 717, 718, 719, 720, 800, 801, 802, 803, 804, 805, 806, 807, 808, 809, 810,
        900, 901, 902, 903, 904, 905, 906, 907, 908, 909, 910, 911, 912, 999
    ]
);
code!(
    nvrtcResult,
    NVRTC_ERROR_INTERNAL_ERROR,
    NVRTC_ERROR_INTERNAL_ERROR,
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
);
code!(
    cublasStatus_t,
    CUBLAS_STATUS_NOT_INITIALIZED,
    CUBLAS_STATUS_INTERNAL_ERROR,
    [0, 1, 3, 7, 8, 11, 13, 14, 15, 16]
);

/// Defines functions that call the functions of the same names in a library, and gives each function an attribute.
macro_rules! forward {
    ($attribute:tt $library:ident: $result:ident; $(fn $name:ident($($argument:ident: $type:ty),* $(,)?);)*) => {
        $(
            /// NVIDIA's function of this name.
            ///
            /// # Safety
            /// As documented by NVIDIA.
            # $attribute
            #[allow(non_snake_case, clippy::too_many_arguments)]
            pub(super) unsafe extern "C" fn $name($($argument: $type),*) -> $result {
                static ADDRESS: OnceLock<Option<usize>> = OnceLock::new();
                let Some(address) = *ADDRESS.get_or_init(|| $library.address(stringify!($name))) else {
                    return $result::MISSING;
                };
                // SAFETY: this is the library's function of this name, with these arguments. It may return a
                // code that the enum does not have, so the code is received as a number.
                unsafe {
                    let function: unsafe extern "C" fn($($type),*) -> c_uint =
                        std::mem::transmute(address);
                    $result::of(function($($argument),*))
                }
            }
        )*
    };
}

mod adjusted;

forward! {
    [unsafe(no_mangle)] DRIVER: CUresult;
    fn cuGetErrorString(error: CUresult, text: *mut *const c_char);
    fn cuGetErrorName(error: CUresult, text: *mut *const c_char);
    fn cuInit(flags: c_uint);
    fn cuDriverGetVersion(version: *mut c_int);
    fn cuDeviceGet(device: *mut driver::CUdevice, ordinal: c_int);
    fn cuDeviceGetCount(count: *mut c_int);
    fn cuDeviceGetName(name: *mut c_char, len: c_int, device: driver::CUdevice);
    fn cuDeviceGetUuid_v2(uuid: *mut driver::CUuuid, device: driver::CUdevice);
    fn cuDeviceTotalMem_v2(bytes: *mut usize, device: driver::CUdevice);
    fn cuDeviceGetAttribute(
        value: *mut c_int,
        attribute: driver::CUdevice_attribute,
        device: driver::CUdevice,
    );
    fn cuDevicePrimaryCtxRetain(context: *mut driver::CUcontext, device: driver::CUdevice);
    fn cuDevicePrimaryCtxRelease_v2(device: driver::CUdevice);
    fn cuCtxGetCurrent(context: *mut driver::CUcontext);
    fn cuModuleLoad(module: *mut driver::CUmodule, file: *const c_char);
    fn cuModuleLoadData(module: *mut driver::CUmodule, image: *const c_void);
    fn cuModuleUnload(module: driver::CUmodule);
    fn cuModuleGetFunction(
        function: *mut driver::CUfunction,
        module: driver::CUmodule,
        name: *const c_char,
    );
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize);
    fn cuMemcpyHtoD_v2(to: driver::CUdeviceptr, from: *const c_void, bytes: usize);
    fn cuMemcpyDtoH_v2(to: *mut c_void, from: driver::CUdeviceptr, bytes: usize);
    fn cuMemcpyDtoD_v2(to: driver::CUdeviceptr, from: driver::CUdeviceptr, bytes: usize);
    fn cuMemcpyHtoDAsync_v2(
        to: driver::CUdeviceptr,
        from: *const c_void,
        bytes: usize,
        stream: driver::CUstream,
    );
    fn cuMemcpyDtoHAsync_v2(
        to: *mut c_void,
        from: driver::CUdeviceptr,
        bytes: usize,
        stream: driver::CUstream,
    );
    fn cuMemcpyDtoDAsync_v2(
        to: driver::CUdeviceptr,
        from: driver::CUdeviceptr,
        bytes: usize,
        stream: driver::CUstream,
    );
    fn cuMemHostAlloc(pointer: *mut *mut c_void, bytes: usize, flags: c_uint);
    fn cuMemFreeHost(pointer: *mut c_void);
    fn cuStreamCreate(stream: *mut driver::CUstream, flags: c_uint);
    fn cuStreamWaitEvent(stream: driver::CUstream, event: driver::CUevent, flags: c_uint);
    fn cuStreamSynchronize(stream: driver::CUstream);
    fn cuStreamDestroy_v2(stream: driver::CUstream);
    fn cuEventCreate(event: *mut driver::CUevent, flags: c_uint);
    fn cuEventRecord(event: driver::CUevent, stream: driver::CUstream);
    fn cuEventQuery(event: driver::CUevent);
    fn cuEventSynchronize(event: driver::CUevent);
    fn cuEventElapsedTime(milliseconds: *mut f32, start: driver::CUevent, end: driver::CUevent);
    fn cuEventDestroy_v2(event: driver::CUevent);
    fn cuLaunchKernel(
        function: driver::CUfunction,
        grid_x: c_uint,
        grid_y: c_uint,
        grid_z: c_uint,
        block_x: c_uint,
        block_y: c_uint,
        block_z: c_uint,
        shared_bytes: c_uint,
        stream: driver::CUstream,
        parameters: *mut *mut c_void,
        extra: *mut *mut c_void,
    );
}

forward! {
    [unsafe(no_mangle)] NVRTC: nvrtcResult;
    fn nvrtcVersion(major: *mut c_int, minor: *mut c_int);
    fn nvrtcCreateProgram(
        program: *mut nvrtc::nvrtcProgram,
        source: *const c_char,
        name: *const c_char,
        headers: c_int,
        header_sources: *const *const c_char,
        header_names: *const *const c_char,
    );
    fn nvrtcCompileProgram(
        program: nvrtc::nvrtcProgram,
        count: c_int,
        options: *const *const c_char,
    );
    fn nvrtcDestroyProgram(program: *mut nvrtc::nvrtcProgram);
    fn nvrtcGetNumSupportedArchs(count: *mut c_int);
    fn nvrtcGetSupportedArchs(architectures: *mut c_int);
    fn nvrtcGetPTX(program: nvrtc::nvrtcProgram, ptx: *mut c_char);
    fn nvrtcGetPTXSize(program: nvrtc::nvrtcProgram, size: *mut usize);
    fn nvrtcGetCUBIN(program: nvrtc::nvrtcProgram, cubin: *mut c_char);
    fn nvrtcGetCUBINSize(program: nvrtc::nvrtcProgram, size: *mut usize);
    fn nvrtcGetProgramLog(program: nvrtc::nvrtcProgram, log: *mut c_char);
    fn nvrtcGetProgramLogSize(program: nvrtc::nvrtcProgram, size: *mut usize);
}

forward! {
    [unsafe(no_mangle)] CUBLAS: cublasStatus_t;
    fn cublasCreate_v2(handle: *mut cublas::cublasHandle_t);
    fn cublasDestroy_v2(handle: cublas::cublasHandle_t);
    fn cublasSetStream_v2(handle: cublas::cublasHandle_t, stream: cublas::cudaStream_t);
    fn cublasSetMathMode(handle: cublas::cublasHandle_t, mode: cublas::cublasMath_t);
    fn cublasGetProperty(property: cublas::libraryPropertyType, value: *mut c_int);
    fn cublasSgemm_v2(
        handle: cublas::cublasHandle_t,
        a_operation: cublas::cublasOperation_t,
        b_operation: cublas::cublasOperation_t,
        m: c_int,
        n: c_int,
        k: c_int,
        alpha: *const f32,
        a: *const f32,
        a_stride: c_int,
        b: *const f32,
        b_stride: c_int,
        beta: *const f32,
        c: *mut f32,
        c_stride: c_int,
    );
    fn cublasSgemmStridedBatched(
        handle: cublas::cublasHandle_t,
        a_operation: cublas::cublasOperation_t,
        b_operation: cublas::cublasOperation_t,
        m: c_int,
        n: c_int,
        k: c_int,
        alpha: *const f32,
        a: *const f32,
        a_stride: c_int,
        a_next: c_longlong,
        b: *const f32,
        b_stride: c_int,
        b_next: c_longlong,
        beta: *const f32,
        c: *mut f32,
        c_stride: c_int,
        c_next: c_longlong,
        batches: c_int,
    );
}
