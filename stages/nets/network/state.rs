//! Reads and replaces the state of a network, which is everything that training changes.

use dfdx::shapes::HasShape;
use ops::{self, Backend, Reading, Tensor4};

use super::Network;

impl<B: Backend> Network<B> {
    /// Returns whether everything that training changes is a finite number.
    pub fn is_finite(&self) -> bool {
        let finite = |tensor| ops::to_host(tensor).iter().all(|value| value.is_finite());
        self.state().into_iter().all(|(_, tensor)| finite(tensor))
    }

    /// Returns everything that training changes, by name: parameters and running statistics, in the order of
    /// [`Architecture::state`](crate::nets::Architecture::state).
    pub fn state(&self) -> Vec<(String, &Tensor4<B>)> {
        let running = self.running.iter();
        let running = running.flat_map(|running| [&running.mean, &running.variance]);
        let tensors = self.parameters.iter().chain(running);
        let names = self.names.iter().cloned();
        names.zip(tensors).collect()
    }

    /// Returns mutable references to the tensors of [`Network::state`]. Their shapes must not be changed.
    pub fn state_mut(&mut self) -> Vec<(String, &mut Tensor4<B>)> {
        let running = self.running.iter_mut();
        let running = running.flat_map(|running| [&mut running.mean, &mut running.variance]);
        let tensors = self.parameters.iter_mut().chain(running);
        let names = self.names.iter().cloned();
        names.zip(tensors).collect()
    }

    /// Starts to read the running mean and variance of each `batch_norm` layer. Does not wait for the device.
    pub fn read_running(&self) -> Vec<[Reading<B>; 2]> {
        self.running
            .iter()
            .map(|running| [Reading::of(&running.mean), Reading::of(&running.variance)])
            .collect()
    }

    /// Replaces the running mean and variance of each `batch_norm` layer, in the order of
    /// [`Network::read_running`].
    ///
    /// # Panics
    /// If the number of layers or of their channels is another one.
    pub fn set_running(&mut self, statistics: Vec<[Vec<f32>; 2]>) {
        let device = self.device.clone();
        assert_eq!(
            self.running.len(),
            statistics.len(),
            "each layer needs its statistics"
        );
        for (running, [mean, variance]) in self.running.iter_mut().zip(statistics) {
            for (tensor, values) in [(&mut running.mean, mean), (&mut running.variance, variance)] {
                *tensor = ops::from_host(&device, values, *tensor.shape());
            }
        }
    }

    /// Returns the values of the whole state, in the order of [`Network::state`].
    pub fn snapshot(&self) -> Vec<Vec<f32>> {
        let state = self.state().into_iter();
        state.map(|(_, tensor)| ops::to_host(tensor)).collect()
    }

    /// Replaces the whole state with `values`, in the order of [`Network::state`].
    ///
    /// # Panics
    /// If the number of lists is not that of tensors, or the length of a list is not that of its tensor.
    pub fn set_state(&mut self, values: Vec<Vec<f32>>) {
        let device = self.device.clone();
        let state = self.state_mut();
        assert_eq!(
            state.len(),
            values.len(),
            "each tensor needs one list of values"
        );
        for ((_, tensor), values) in state.into_iter().zip(values) {
            *tensor = ops::from_host(&device, values, *tensor.shape());
        }
    }
}
