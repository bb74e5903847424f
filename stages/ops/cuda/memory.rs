//! Addresses of dfdx's tensors and buffers on the GPU, and descriptions of the GPU's errors.

use std::fmt::{self, Write};

use cudarc::cublas::result::CublasError;
use cudarc::cublas::sys::cublasStatus_t;
use cudarc::driver::sys::{CUdeviceptr, CUresult};
use cudarc::driver::{DevicePtr, DriverError};
use dfdx::shapes::Shape;
use dfdx::tensor::{Cuda, CudaError, Storage, Tensor, TensorFromVec, ZerosTensor};

use super::kernels::Argument;
use super::survey;
use crate::{Nchw, Tensor4, len};

/// Buffer of a gradient or of an optimizer's moments.
pub type Buffer = <Cuda as Storage<f32>>::Vec;

/// Data that a kernel keeps for the backward pass, one byte per value.
pub type Bytes = <Cuda as Storage<u8>>::Vec;

/// Returns the address of a tensor's values on the GPU. They are in row-major order.
///
/// dfdx 0.13 shows the address only in its `Debug` output, and copying every activation would cost a pass
/// over memory per operation. The versions of dfdx and `cudarc` are fixed in `Cargo.toml`, and
/// [`check_addresses`] checks this function when the GPU is opened.
pub fn address<S: Shape>(tensor: &Tensor<S, f32, Cuda>) -> CUdeviceptr {
    let mut reader = AddressReader::default();
    // The reader stops the output with an error once it has the address.
    let _ = write!(reader, "{tensor:?}");
    reader.address.expect("a tensor that prints its address")
}

/// Parses the number after `cu_device_ptr: `.
#[derive(Default)]
struct AddressReader {
    text: String,
    address: Option<CUdeviceptr>,
}

impl Write for AddressReader {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text.push_str(text);
        let Some((_, after)) = self.text.split_once("cu_device_ptr: ") else {
            return Ok(());
        };
        let Some((digits, _)) = after.split_once(',') else {
            return Ok(());
        };
        self.address = digits.parse().ok();
        Err(fmt::Error)
    }
}

/// Checks that the values at a tensor's [`address`] are those of the tensor.
pub(super) fn check_addresses(cuda: &Cuda) -> Result<(), CudaError> {
    let values = vec![1.5, -2.25, 3.125];
    let tensor = cuda.try_tensor_from_vec(values.clone(), (1, 1, 1, values.len()))?;
    let mut read = vec![0.0f32; values.len()];
    // SAFETY: both hold as many values as are copied, and the copy is synchronous.
    unsafe { cudarc::driver::result::memcpy_dtoh_sync(&mut read, address(&tensor)) }?;
    assert_eq!(
        read, values,
        "the address of a tensor must lead to its values"
    );
    Ok(())
}

/// Returns a tensor of zeros that a kernel can write to, and its address. No other tensor shares its memory.
///
/// # Panics
/// If it has 2³¹ values or more: kernels index with 32 bits.
pub fn zeros(cuda: &Cuda, shape: Nchw) -> Result<(Tensor4<Cuda>, Argument), CudaError> {
    assert!(
        i32::try_from(len(shape)).is_ok(),
        "a tensor on a GPU must have fewer than 2³¹ values, but its shape is {shape:?}: use a smaller `batch_size`"
    );
    let tensor: Tensor4<Cuda> = cuda.try_zeros_like(&shape)?;
    let argument = Argument::tensor(&tensor);
    Ok((tensor, argument))
}

/// Returns the address of a buffer's values on the GPU.
pub fn buffer_address<E>(buffer: &impl DevicePtr<E>) -> CUdeviceptr {
    *buffer.device_ptr()
}

impl Argument {
    pub fn tensor<S: Shape>(tensor: &Tensor<S, f32, Cuda>) -> Self {
        Self::Pointer(address(tensor))
    }

    /// Returns the address of a buffer, which may be a [`Buffer`] or [`Bytes`].
    pub fn buffer<E>(buffer: &impl DevicePtr<E>) -> Self {
        Self::Pointer(buffer_address(buffer))
    }
}

/// Returns whether the GPU ran out of memory.
pub fn is_out_of_memory(error: &CudaError) -> bool {
    matches!(
        error,
        CudaError::Driver(DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY))
            | CudaError::Blas(CublasError(cublasStatus_t::CUBLAS_STATUS_ALLOC_FAILED))
    )
}

/// Describes an error of the GPU.
pub fn describe(error: &CudaError) -> String {
    match error {
        CudaError::Driver(error) => survey::describe(*error),
        CudaError::Blas(error) => format!("cuBLAS: {error:?}"),
        CudaError::Cpu(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use contract::Precision;

    use super::*;

    /// Memory of the emulated GPU in the test below, in bytes.
    const SMALL: &str = "33554432";

    #[test]
    fn cached_memory_is_freed_for_tensors_of_another_size() {
        if std::env::var_os("EMULATOR_HOME").is_none() {
            return;
        }
        if std::env::var("EMULATOR_MEMORY").as_deref() != Ok(SMALL) {
            // Runs in a process of its own, so that no other test uses the GPU.
            let name = "cuda::memory::tests::cached_memory_is_freed_for_tensors_of_another_size";
            let test = std::env::current_exe().expect("this program");
            let status = std::process::Command::new(test)
                .args(["--exact", name])
                .env("EMULATOR_MEMORY", SMALL)
                .status();
            assert!(status.expect("a process").success());
            return;
        }
        let cuda = crate::cuda::open(Precision::Float32).expect("a GPU");
        let free = crate::cuda::free_memory(0).expect("its memory") as usize / size_of::<f32>();
        let take = |len: usize| -> Result<Buffer, CudaError> { cuda.try_alloc_len(len) };
        drop(take(free / 10 * 6).expect("memory for the first"));
        drop(take(free / 10 * 7).expect("memory for the second, in place of the first"));
        let error = take(free * 2).expect_err("more than there is");
        assert!(is_out_of_memory(&error), "{error:?}");
        take(free / 10 * 8).expect("memory for the third");
    }
}
