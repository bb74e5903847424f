//! Asynchronous transfers: batches to a device, results back to the host.

use std::ops::{Deref, DerefMut};

use dfdx::shapes::Shape;
use dfdx::tensor::Tensor;

use super::memory::Memory;
use super::{Nchw, Tensor4, device_failed, len};

/// Returns the values of a tensor in row-major order. Waits for the device.
///
/// # Panics
/// If the device fails.
pub fn to_host<B: Memory>(tensor: &Tensor4<B>) -> Vec<f32> {
    Reading::of(tensor).finish()
}

/// Host memory for a tensor, lent by the device. Fill it completely, then upload it.
pub struct Staged<B: Memory> {
    device: B,
    shape: Nchw,
    values: B::Staging,
}

impl<B: Memory> Staged<B> {
    /// Returns memory for a tensor of `shape`, with unspecified content.
    ///
    /// # Panics
    /// If there is not enough memory.
    pub fn new(device: &B, shape: Nchw) -> Self {
        let values = device.staging(len(shape));
        Self {
            device: device.clone(),
            shape,
            values: values.unwrap_or_else(device_failed("allocating memory for a batch")),
        }
    }

    /// Starts the upload and returns the tensor without waiting. Operations on the tensor run after the
    /// upload.
    ///
    /// # Panics
    /// If the device fails.
    pub fn upload(self) -> Tensor4<B> {
        self.device
            .upload(self.values, self.shape)
            .unwrap_or_else(device_failed("uploading a batch"))
    }
}

impl<B: Memory> Deref for Staged<B> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values
    }
}

impl<B: Memory> DerefMut for Staged<B> {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

/// A copy of a tensor's values to the host, in progress.
pub struct Reading<B: Memory> {
    device: B,
    reading: B::Reading,
}

impl<B: Memory> Reading<B> {
    /// Starts to read, in row-major order, the values that `tensor` has after all operations called so far. Does
    /// not wait for those operations.
    ///
    /// # Panics
    /// If the device fails.
    pub fn of<S: Shape>(tensor: &Tensor<S, f32, B>) -> Self {
        let device = tensor.device().clone();
        let reading = device.read_later(tensor);
        Self {
            reading: reading.unwrap_or_else(device_failed("reading a tensor")),
            device,
        }
    }

    /// Waits for the values and returns them.
    ///
    /// # Panics
    /// If the device fails.
    pub fn finish(self) -> Vec<f32> {
        self.device
            .finish(self.reading)
            .unwrap_or_else(device_failed("reading a tensor"))
    }
}
