//! Exponential moving averages of a network's tensors.

use dfdx::shapes::HasShape;

use crate::{Backend, Tensor4, device_failed, from_host, to_host};

/// Exponential moving averages of the values that tensors have after each step of training (Polyak and Juditsky, 1992).
pub struct Average<B: Backend> {
    decay: f64,
    tensors: Vec<Tensor4<B>>,
}

impl<B: Backend> Average<B> {
    /// Begins with the current values of `tensors`. `decay`, in [0, 1), is the weight of the old average in each update.
    ///
    /// # Panics
    /// If the device fails.
    pub fn new<'a>(decay: f64, tensors: impl IntoIterator<Item = &'a Tensor4<B>>) -> Self {
        // Averages are changed in place, so they must not share memory with the tensors.
        let copy =
            |tensor: &Tensor4<B>| from_host(tensor.device(), to_host(tensor), *tensor.shape());
        Self {
            decay,
            tensors: tensors.into_iter().map(copy).collect(),
        }
    }

    /// Adds the values of the same tensors after update number `step`, from 0. In early steps t, the old average counts
    /// only (1 + t) / (10 + t), as TensorFlow's `ExponentialMovingAverage` with `num_updates`, so that the initial
    /// values are soon forgotten. Does not wait for the device.
    ///
    /// # Panics
    /// If the number of tensors is another one, or the device fails.
    pub fn update<'a>(&mut self, step: u64, tensors: impl IntoIterator<Item = &'a Tensor4<B>>) {
        let step = step as f64;
        let decay = self.decay.min((1.0 + step) / (10.0 + step)) as f32;
        let tensors: Vec<_> = tensors.into_iter().collect();
        assert_eq!(
            tensors.len(),
            self.tensors.len(),
            "one average for each tensor"
        );
        for (average, value) in self.tensors.iter_mut().zip(tensors) {
            let device = value.device();
            device
                .average(decay, value, average)
                .unwrap_or_else(device_failed("averaging the weights"));
        }
    }

    /// The averages, in the order of the tensors.
    pub fn tensors(&self) -> &[Tensor4<B>] {
        &self.tensors
    }

    /// The averages, to be changed or exchanged for tensors of the same shapes.
    pub fn tensors_mut(&mut self) -> &mut [Tensor4<B>] {
        &mut self.tensors
    }
}
