//! [`Network`]: a network that can be run and trained.

mod module;
mod run;
mod split;
mod state;
#[cfg(test)]
pub(super) mod tests;

use std::ops::Range;

use contract::Invalid;
use dfdx::shapes::HasShape;
use dfdx::tensor::Tape;
use ops::optimizer::{ParameterOptions, Penalty};
use ops::{self, Backend, RunningStats, Tensor4, Wanted};

use super::architecture::Architecture;
use super::initializer::Initializer;
use module::{Builder, Module};
use run::Pass;

/// Purpose of a forward pass.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// Uses dropout and batch statistics. The dropout masks depend only on `seed` and `step`.
    Train {
        seed: u64,
        step: u64,
        wanted: Wanted,
    },
    /// Uses running statistics and no dropout. Computes the gradient of the input if the input has a tape, and none of
    /// the parameters.
    Predict,
    /// Uses batch statistics, which replace the running ones, and no dropout. Computes no gradients.
    Estimate,
}

/// The layers of an [`Architecture`], with their weights on a device.
pub struct Network<B: Backend> {
    architecture: Architecture,
    device: B,
    modules: Vec<Module<B>>,
    parameters: Vec<Tensor4<B>>,
    /// Names of the parameters and then of the running statistics, in order: `0.conv.weight`.
    names: Vec<String>,
    options: Vec<ParameterOptions>,
    /// Index of the layer of the architecture that each parameter belongs to.
    owners: Vec<usize>,
    /// Whether each layer of the architecture is frozen.
    frozen: Vec<bool>,
    running: Vec<RunningStats<B>>,
}

impl<B: Backend> Network<B> {
    /// Creates a network with weights drawn by `initializer` from `seed`.
    ///
    /// [`Network::forward`] returns logits; see [`Architecture::computed_layers`].
    pub fn new(
        architecture: Architecture,
        initializer: Initializer,
        seed: u64,
        device: B,
    ) -> Result<Self, Invalid> {
        let mut network = Self {
            device,
            modules: Vec::new(),
            parameters: Vec::new(),
            names: architecture
                .state()
                .into_iter()
                .map(|tensor| tensor.name)
                .collect(),
            options: Vec::new(),
            owners: Vec::new(),
            frozen: vec![false; architecture.layers.len()],
            running: Vec::new(),
            architecture,
        };
        let layers = network.architecture.computed_layers();
        let input = network.architecture.input;
        let mut builder = Builder {
            network: &mut network,
            initializer,
            seed,
        };
        network.modules = builder.all(&layers, input)?;
        Ok(network)
    }

    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    pub fn device(&self) -> &B {
        &self.device
    }

    pub fn parameters(&self) -> &[Tensor4<B>] {
        &self.parameters
    }

    /// Returns the parameters, to be changed, and the options of each for the optimizer.
    pub fn parameters_mut(&mut self) -> (&mut [Tensor4<B>], &[ParameterOptions]) {
        (&mut self.parameters, &self.options)
    }

    /// Sets the factor on the learning rate of each layer, by index. `None` freezes a layer: its state stays, and it
    /// computes as after training, with running statistics and without dropout.
    pub fn set_rate_factors(&mut self, factor: impl Fn(usize) -> Option<f32>) {
        for (layer, frozen) in self.frozen.iter_mut().enumerate() {
            *frozen = factor(layer).is_none();
        }
        for (options, owner) in self.options.iter_mut().zip(&self.owners) {
            options.rate_factor = factor(*owner).unwrap_or(0.0);
        }
    }

    /// Returns the number of layers before the first one that is not frozen.
    pub fn frozen_layers(&self) -> usize {
        self.frozen.iter().take_while(|frozen| **frozen).count()
    }

    /// Returns whether training adds a penalty on any parameter to the loss.
    pub fn has_penalties(&self) -> bool {
        let none = Penalty::default();
        self.options.iter().any(|options| options.penalty != none)
    }

    /// Returns the number of values that are trained.
    pub fn parameter_count(&self) -> usize {
        self.parameters
            .iter()
            .map(|tensor| ops::len(*tensor.shape()))
            .sum()
    }

    /// Runs a batch through all layers.
    pub fn forward<T: Tape<f32, B>>(&mut self, x: Tensor4<B, T>, mode: Mode) -> Tensor4<B, T> {
        self.run(x, 0..self.modules.len(), mode)
    }

    /// Runs a batch through some of the modules.
    fn run<T: Tape<f32, B>>(
        &mut self,
        x: Tensor4<B, T>,
        modules: Range<usize>,
        mode: Mode,
    ) -> Tensor4<B, T> {
        let (owners, frozen) = (&self.owners, &self.frozen);
        let mut pass = Pass {
            parameters: &self.parameters,
            running: &mut self.running,
            mode,
            is_below_parameters: true,
            is_frozen: false,
        };
        self.modules[modules].iter().fold(x, |x, module| {
            // A convolution and the pooling after it are one module, with the index of the pooling.
            let mut parameters = module.parameters.clone();
            let owner = parameters
                .next()
                .map_or(module.layer, |first| owners[first]);
            pass.is_frozen = frozen.get(owner).copied().unwrap_or_default();
            pass.chain(x, std::slice::from_ref(module))
        })
    }
}
