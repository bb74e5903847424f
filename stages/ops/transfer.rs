//! Batches on their way to a device and results on their way back, while both sides go on.

use std::ops::{Deref, DerefMut};

use dfdx::shapes::Shape;
use dfdx::tensor::Tensor;

use super::memory::Memory;
use super::{Nchw, Tensor4, device_failed, len};

/// Values for a tensor, in memory that the device lends; to be filled whole, then uploaded.
pub struct Staged<B: Memory> {
    device: B,
    shape: Nchw,
    values: B::Staging,
}

impl<B: Memory> Staged<B> {
    /// Room for a tensor of `shape`, of any values.
    ///
    /// # Panics
    /// If there is no memory for them.
    pub fn new(device: &B, shape: Nchw) -> Self {
        let values = device.staging(len(shape));
        Self {
            device: device.clone(),
            shape,
            values: values.unwrap_or_else(device_failed("room for a batch")),
        }
    }

    /// The tensor. Operations on it come after the upload; this does not wait for it.
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

/// Values of a tensor that the host will ask for later.
pub struct Reading<B: Memory> {
    device: B,
    reading: B::Reading,
}

impl<B: Memory> Reading<B> {
    /// Begins to read the values that `tensor` has after all operations called so far, the last axis
    /// fastest. Does not wait for those.
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

    /// Waits for the values.
    ///
    /// # Panics
    /// If the device fails.
    pub fn finish(self) -> Vec<f32> {
        self.device
            .finish(self.reading)
            .unwrap_or_else(device_failed("reading a tensor"))
    }
}
