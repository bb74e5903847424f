//! Copies of values between the host, tensors and gradient buffers.

use std::ops::DerefMut;

use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::{Cpu, HasErr, Storage, Tensor, TensorFromVec};

use super::cpu::pieces;
use super::{DeviceError, Nchw, Tensor4, device_failed, len};

/// Returns a tensor on `device` with these values, which are in row-major order.
///
/// # Panics
/// If the number of values does not match the shape, or the device is out of memory.
pub fn from_host<B: Memory + TensorFromVec<f32>>(
    device: &B,
    values: Vec<f32>,
    shape: Nchw,
) -> Tensor4<B> {
    assert_eq!(
        values.len(),
        len(shape),
        "number of values for a tensor of shape {shape:?}"
    );
    device
        .try_tensor_from_vec(values, shape)
        .unwrap_or_else(device_failed("from_host"))
}

/// Copies between the host and a device's buffers (gradients and an optimizer's moments), and asynchronous
/// copies between the host and tensors.
pub trait Memory: Storage<f32> + HasErr<Err: DeviceError> {
    /// Host memory from which copies to the device are fastest.
    type Staging: DerefMut<Target = [f32]>;

    /// A copy to the host in progress. May be dropped before it is complete.
    type Reading;

    /// Returns memory for `len` values, with unspecified content.
    fn staging(&self, len: usize) -> Result<Self::Staging, Self::Err>;

    /// Starts to copy the values to a new tensor. Operations that are called afterwards see the values.
    fn upload(&self, values: Self::Staging, shape: Nchw) -> Result<Tensor4<Self>, Self::Err>;

    /// Starts to copy the values that a tensor has after all operations called so far.
    fn read_later<S: Shape>(
        &self,
        tensor: &Tensor<S, f32, Self>,
    ) -> Result<Self::Reading, Self::Err>;

    /// Waits for a copy that [`Memory::read_later`] started, and returns the values.
    fn finish(&self, reading: Self::Reading) -> Result<Vec<f32>, Self::Err>;

    fn read(&self, buffer: &Self::Vec) -> Result<Vec<f32>, Self::Err>;

    /// Overwrites the whole buffer. `values` must have the same length as the buffer.
    fn write(&self, values: &[f32], buffer: &mut Self::Vec) -> Result<(), Self::Err>;

    /// Fills an empty buffer with `len` zeros. Any other buffer stays unchanged.
    fn fill_if_empty(&self, buffer: &mut Self::Vec, len: usize) -> Result<(), Self::Err>;
}

/// Operations are complete when they return, so copies are never in progress.
impl Memory for Cpu {
    type Staging = Vec<f32>;
    type Reading = Vec<f32>;

    fn staging(&self, len: usize) -> Result<Vec<f32>, Self::Err> {
        Ok(vec![0.0; len])
    }

    fn upload(&self, values: Vec<f32>, shape: Nchw) -> Result<Tensor4<Self>, Self::Err> {
        self.try_tensor_from_vec(values, shape)
    }

    fn read_later<S: Shape>(&self, tensor: &Tensor<S, f32, Self>) -> Result<Vec<f32>, Self::Err> {
        let mut values = vec![0.0; tensor.shape().num_elements()];
        tensor.copy_into(&mut values);
        Ok(values)
    }

    fn finish(&self, values: Vec<f32>) -> Result<Vec<f32>, Self::Err> {
        Ok(values)
    }

    fn read(&self, buffer: &Self::Vec) -> Result<Vec<f32>, Self::Err> {
        Ok(buffer.to_vec())
    }

    fn write(&self, values: &[f32], buffer: &mut Self::Vec) -> Result<(), Self::Err> {
        buffer.copy_from_slice(values);
        Ok(())
    }

    fn fill_if_empty(&self, buffer: &mut Self::Vec, len: usize) -> Result<(), Self::Err> {
        if buffer.is_empty() {
            **buffer = pieces::zeros(len);
        }
        Ok(())
    }
}

/// Takes a gradient's buffer out of `Gradients`, which lends only one buffer at a time, and leaves an empty buffer.
/// The caller must put the buffer back unless the gradient is no longer needed.
pub(super) fn take<B: Storage<f32>>(device: &B, lent: &mut B::Vec) -> Result<B::Vec, B::Err> {
    Ok(std::mem::replace(lent, device.try_alloc_len(0)?))
}
