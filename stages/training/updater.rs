//! [`Updater`]: the optimizer of a training, and the average of the weights that it makes.

use std::mem::swap;

use ops::optimizer::{Average, Optimizer};
use ops::{self, Backend, Tensor4};

use super::recipe::Recipe;
use crate::nets::Network;

/// Everything that changes with the weights of a network in each step.
pub(super) struct Updater<B: Backend> {
    pub optimizer: Optimizer<B>,
    /// Average of the network's whole state, if it is kept in place of the last weights.
    pub average: Option<Average<B>>,
}

impl<B: Backend> Updater<B> {
    /// Begins with the current state of `network`.
    pub(super) fn new(recipe: &Recipe, network: &Network<B>) -> Self {
        let optimizer = Optimizer::new(recipe.optimizer.into(), network.parameters());
        Self {
            optimizer: optimizer.clipped(recipe.clip_norm.map(|norm| norm as f32)),
            average: recipe
                .ema
                .map(|decay| Average::new(decay, tensors(network))),
        }
    }

    /// Forgets the past gradients. The average stays.
    pub(super) fn restart(&mut self, recipe: &Recipe, network: &Network<B>) {
        let Self { optimizer, .. } = Self::new(recipe, network);
        self.optimizer = optimizer;
    }

    /// Updates the average after update number `step`, from 0.
    pub(super) fn updated(&mut self, network: &Network<B>, step: u64) {
        if let Some(average) = &mut self.average {
            average.update(step, tensors(network));
        }
    }

    /// Calls `f` with the state that is kept if training ends here: that of the average, if there is one. Afterwards,
    /// `network` is as before.
    pub(super) fn with_kept<R>(
        &mut self,
        network: &mut Network<B>,
        f: impl FnOnce(&mut Network<B>) -> R,
    ) -> R {
        self.exchange(network);
        let result = f(network);
        self.exchange(network);
        result
    }

    /// Exchanges the state of `network` and the average, without copying.
    fn exchange(&mut self, network: &mut Network<B>) {
        if let Some(average) = &mut self.average {
            let state = network.state_mut().into_iter();
            for ((_, tensor), average) in state.zip(average.tensors_mut()) {
                swap(tensor, average);
            }
        }
    }
}

fn tensors<B: Backend>(network: &Network<B>) -> Vec<&Tensor4<B>> {
    network
        .state()
        .into_iter()
        .map(|(_, tensor)| tensor)
        .collect()
}
