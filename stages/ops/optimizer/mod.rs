//! Optimizers: update parameters from their gradients.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod state;

#[cfg(test)]
mod tests;

use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::{Gradients, Merge, OwnedTape, PutTape, SplitTape, Storage, Trace};
use dfdx::tensor_ops::Backward;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::memory::take;
use super::{Backend, Scalar, Tensor4, device_failed};

/// An optimizer and its constants, except for the learning rate, which is passed to each step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerConfig {
    /// Kingma and Ba (2015), algorithm 1: m and v are the decaying means of g and g²,
    /// w −= lr · m̂ / (√v̂ + ε). If ε is added to the raw moment,
    /// w −= lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε).
    Adam {
        beta1: f32,
        beta2: f32,
        epsilon: f32,
        epsilon_added_to: SecondMoment,
    },
    /// v = `momentum`·v + g, w −= lr · v.
    Sgd { momentum: f32 },
}

/// The second moment whose root an Adam adds ε to. The forms differ only where gradients are so small that ε matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum SecondMoment {
    /// The moment corrected for its start at 0, v̂ = v / (1 − β₂ᵗ): algorithm 1 of Kingma and Ba, and PyTorch.
    #[default]
    #[serde(rename = "corrected_moment")]
    Corrected,
    /// The moment itself, v: the faster form in section 2 of Kingma and Ba, and Keras. In step t, ε counts
    /// 1 / √(1 − β₂ᵗ) times as much as with `corrected_moment`: 32 times in the first step if β₂ is 0.999.
    #[serde(rename = "raw_moment")]
    Raw,
}

/// Penalty of one parameter, added to the loss through its gradient: l1·Σ|w| + l2·Σw², as in Keras' `L1L2`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Penalty {
    pub l1: f32,
    pub l2: f32,
}

/// A device's implementation of optimizers. Updates a parameter and the moments of its gradient in place.
pub trait OptimizerKernel: Storage<f32> {
    /// `first` and `second` are the decaying means of g and of g².
    fn adam(
        &self,
        constants: Adam,
        parameter: &mut Tensor4<Self>,
        gradient: &Self::Vec,
        first: &mut Self::Vec,
        second: &mut Self::Vec,
    ) -> Result<(), Self::Err>;

    fn sgd(
        &self,
        constants: Sgd,
        parameter: &mut Tensor4<Self>,
        gradient: &Self::Vec,
        velocity: &mut Self::Vec,
    ) -> Result<(), Self::Err>;
}

/// The constants of one Adam step for one parameter.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    pub learning_rate: f32,
    pub beta1: f32,
    pub beta2: f32,
    /// Added to the root of the corrected second moment.
    pub epsilon: f32,
    /// 1 − β₁ᵗ, where t is the number of this step, counted from 1.
    pub first_correction: f32,
    /// 1 − β₂ᵗ.
    pub second_correction: f32,
    pub penalty: Penalty,
}

/// The constants of one step of gradient descent for one parameter.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    pub learning_rate: f32,
    pub momentum: f32,
    pub penalty: Penalty,
}

/// An optimizer for a fixed list of parameters, with its state for each of them.
pub struct Optimizer<B: Storage<f32>> {
    config: OptimizerConfig,
    device: Option<B>,
    moments: Vec<Moments<B>>,
    /// An empty buffer for every parameter, in place of the parameter's gradient.
    placeholders: Gradients<f32, B>,
}

/// State for one parameter.
struct Moments<B: Storage<f32>> {
    /// Number of updates so far.
    steps: u32,
    /// For Adam, the means of g and of g². For gradient descent, the velocity.
    buffers: Vec<B::Vec>,
}

impl<B: Backend> Optimizer<B> {
    /// Creates an optimizer that has not seen any gradients.
    ///
    /// # Panics
    /// If the device has no memory for the moments.
    pub fn new(config: OptimizerConfig, parameters: &[Tensor4<B>]) -> Self {
        let count = config.buffer_names().len();
        let moments = parameters.iter().map(|parameter| {
            let len = parameter.shape().num_elements();
            let buffers = (0..count)
                .map(|_| Storage::<f32>::try_alloc_len(parameter.device(), len))
                .collect::<Result<_, _>>();
            Moments {
                steps: 0,
                buffers: buffers.unwrap_or_else(device_failed("the optimizer")),
            }
        });
        Self {
            config,
            device: parameters.first().map(|first| first.device().clone()),
            moments: moments.collect(),
            placeholders: placeholders(parameters).unwrap_or_else(device_failed("the optimizer")),
        }
    }

    /// Returns the gradients that a tape starts with: an empty buffer for every parameter. Otherwise dfdx
    /// would fill each gradient with zeros, on one thread.
    pub fn no_gradients(&self) -> Gradients<f32, B> {
        self.placeholders.clone()
    }

    /// Updates `parameters`, the list that the optimizer was created for, with the gradients of the loss plus
    /// those of each parameter's penalty. A parameter without a gradient stays unchanged. The gradients are
    /// consumed.
    ///
    /// # Panics
    /// If the lists' lengths differ, or the device fails.
    pub fn step(
        &mut self,
        learning_rate: f32,
        parameters: &mut [Tensor4<B>],
        gradients: &mut Gradients<f32, B>,
        penalty: &[Penalty],
    ) {
        assert_eq!(
            parameters.len(),
            self.moments.len(),
            "the number of parameters must be the same as when the optimizer was created"
        );
        assert_eq!(
            parameters.len(),
            penalty.len(),
            "every parameter needs a penalty"
        );
        self.try_step(learning_rate, parameters, gradients, penalty)
            .unwrap_or_else(device_failed("the optimizer"));
    }

    fn try_step(
        &mut self,
        learning_rate: f32,
        parameters: &mut [Tensor4<B>],
        gradients: &mut Gradients<f32, B>,
        penalty: &[Penalty],
    ) -> Result<(), B::Err> {
        let Some(device) = &self.device else {
            return Ok(());
        };
        let mut gradients = merged(
            device,
            self.no_gradients(),
            std::mem::replace(gradients, Gradients::leaky()),
        )?;
        for ((parameter, moments), &penalty) in
            parameters.iter_mut().zip(&mut self.moments).zip(penalty)
        {
            let gradient = take(device, gradients.get_or_alloc_mut(parameter)?)?;
            if Storage::<f32>::len(device, &gradient) != parameter.shape().num_elements() {
                continue;
            }
            moments.steps += 1;
            match (self.config, moments.buffers.as_mut_slice()) {
                (
                    OptimizerConfig::Adam {
                        beta1,
                        beta2,
                        epsilon,
                        epsilon_added_to,
                    },
                    [first, second],
                ) => {
                    let correction =
                        |beta: f32| (1.0 - f64::from(beta).powf(moments.steps.into())) as f32;
                    let second_correction = correction(beta2);
                    let constants = Adam {
                        learning_rate,
                        beta1,
                        beta2,
                        epsilon: match epsilon_added_to {
                            SecondMoment::Corrected => epsilon,
                            SecondMoment::Raw => epsilon / second_correction.sqrt(),
                        },
                        first_correction: correction(beta1),
                        second_correction,
                        penalty,
                    };
                    device.adam(constants, parameter, &gradient, first, second)?;
                }
                (OptimizerConfig::Sgd { momentum }, [velocity]) => {
                    device.sgd(
                        Sgd {
                            learning_rate,
                            momentum,
                            penalty,
                        },
                        parameter,
                        &gradient,
                        velocity,
                    )?;
                }
                _ => unreachable!("an optimizer has one buffer for each of its buffer names"),
            }
        }
        Ok(())
    }
}

/// Creates an empty buffer for every parameter. `Gradients` cannot tell whether it holds a parameter's
/// gradient. But when tapes merge, newer gradients replace older ones, so a buffer that is still empty means
/// that there is no gradient.
fn placeholders<B: Backend>(parameters: &[Tensor4<B>]) -> Result<Gradients<f32, B>, B::Err> {
    let mut placeholders = Gradients::leaky();
    for parameter in parameters {
        take(
            parameter.device(),
            placeholders.get_or_alloc_mut(parameter)?,
        )?;
    }
    Ok(placeholders)
}

/// Merges gradients. If both have a gradient of a tensor, the newer one is kept.
fn merged<B: Backend>(
    device: &B,
    older: Gradients<f32, B>,
    newer: Gradients<f32, B>,
) -> Result<Gradients<f32, B>, B::Err> {
    let nothing: Scalar<B> = device.try_zeros_like(&())?;
    let tape = |gradients| -> OwnedTape<f32, B> { nothing.trace(gradients).split_tape().1 };
    let merged = tape(older).merge(tape(newer));
    nothing.clone().put_tape(merged).try_backward()
}
