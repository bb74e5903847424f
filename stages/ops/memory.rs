//! Moving values between the host, tensors and gradient buffers.

use std::ops::DerefMut;

use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::{Cpu, HasErr, Storage, Tensor, TensorFromVec};

use super::cpu::pieces;
use super::{DeviceError, Nchw, Reading, Tensor4, device_failed, len};

/// A tensor on `device` with these values, the last axis fastest.
///
/// # Panics
/// If there are not as many values as the shape holds, or the device has no memory for them.
pub fn from_host<B: Memory + TensorFromVec<f32>>(
    device: &B,
    values: Vec<f32>,
    shape: Nchw,
) -> Tensor4<B> {
    assert_eq!(
        values.len(),
        len(shape),
        "as many values as a tensor of shape {shape:?} holds"
    );
    device
        .try_tensor_from_vec(values, shape)
        .unwrap_or_else(device_failed("from_host"))
}

/// The values of a tensor, the last axis fastest. Waits for the device.
///
/// # Panics
/// If the device fails.
pub fn to_host<B: Memory>(tensor: &Tensor4<B>) -> Vec<f32> {
    Reading::of(tensor).finish()
}

/// Copies between the host and a device's buffers (gradients and an optimizer's moments), and between
/// the host and tensors without waiting.
pub trait Memory: Storage<f32> + HasErr<Err: DeviceError> {
    /// Memory of the host that is copied to the device fastest.
    type Staging: DerefMut<Target = [f32]>;

    /// Values on their way to the host. May be dropped before they are there.
    type Reading;

    /// Lends `len` values, of whatever they are.
    fn staging(&self, len: usize) -> Result<Self::Staging, Self::Err>;

    /// Begins to copy what was lent to a new tensor; operations called from now on find it there.
    fn upload(&self, values: Self::Staging, shape: Nchw) -> Result<Tensor4<Self>, Self::Err>;

    /// Begins to copy the values that a tensor has after all operations called so far.
    fn read_later<S: Shape>(
        &self,
        tensor: &Tensor<S, f32, Self>,
    ) -> Result<Self::Reading, Self::Err>;

    /// Waits for a copy that was begun.
    fn finish(&self, reading: Self::Reading) -> Result<Vec<f32>, Self::Err>;

    fn read(&self, buffer: &Self::Vec) -> Result<Vec<f32>, Self::Err>;

    /// Overwrites the whole buffer; `values` are as many as it holds.
    fn write(&self, values: &[f32], buffer: &mut Self::Vec) -> Result<(), Self::Err>;

    /// Makes `len` zeros of an empty buffer. One that holds something stays as it is.
    fn fill_if_empty(&self, buffer: &mut Self::Vec, len: usize) -> Result<(), Self::Err>;
}

/// Operations are done when they return, so nothing is on its way.
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

/// Takes a gradient's buffer out of `Gradients`, which lends them only one at a time. The caller
/// assigns it back, unless nothing will ask for it again.
pub(super) fn take<B: Storage<f32>>(device: &B, lent: &mut B::Vec) -> Result<B::Vec, B::Err> {
    Ok(std::mem::replace(lent, device.try_alloc_len(0)?))
}
