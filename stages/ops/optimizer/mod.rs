//! Optimizers: update parameters from their gradients.

mod average;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod kernel;
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

pub use average::Average;
pub use kernel::{Adam, OptimizerKernel, RmsProp, Sgd};

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
    /// Adam with decoupled weight decay (Loshchilov and Hutter, 2019), as PyTorch's `AdamW`: w −= lr · λ · w, and then
    /// the step of Adam with ε added to the corrected moment. λ is `weight_decay`.
    AdamW {
        beta1: f32,
        beta2: f32,
        epsilon: f32,
        weight_decay: f32,
    },
    /// RMSprop (Hinton, 2012) in PyTorch's form, not centered: s is the mean of g² that decays by `decay`,
    /// v = `momentum`·v + g / (√s + ε), w −= lr · v. TensorFlow and Keras add ε below the root.
    RmsProp {
        decay: f32,
        momentum: f32,
        epsilon: f32,
    },
    /// v = `momentum`·v + g + λ·w, w −= lr · v, as PyTorch's `SGD`. λ is `weight_decay`.
    Sgd { momentum: f32, weight_decay: f32 },
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

/// How a parameter is updated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterOptions {
    pub penalty: Penalty,
    /// Factor on the learning rate. With 0, the parameter is frozen: it is skipped with its moments, and its gradient
    /// does not count for the norm that gradients are clipped to.
    pub rate_factor: f32,
    /// Whether the optimizer's weight decay applies to it.
    pub decays: bool,
}

impl Default for ParameterOptions {
    fn default() -> Self {
        Self {
            penalty: Penalty::default(),
            rate_factor: 1.0,
            decays: true,
        }
    }
}

/// An optimizer for a fixed list of parameters, with its state for each of them.
pub struct Optimizer<B: Storage<f32>> {
    config: OptimizerConfig,
    device: Option<B>,
    moments: Vec<Moments<B>>,
    /// Largest norm of all gradients together.
    clip_norm: Option<f32>,
    /// An empty buffer for every parameter, in place of the parameter's gradient.
    placeholders: Gradients<f32, B>,
}

/// State for one parameter.
struct Moments<B: Storage<f32>> {
    /// Number of updates so far.
    steps: u32,
    /// For Adam, the means of g and of g². For RMSprop, the mean of g² and the velocity. For gradient descent, the
    /// velocity.
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
            clip_norm: None,
            placeholders: placeholders(parameters).unwrap_or_else(device_failed("the optimizer")),
        }
    }

    /// Returns the optimizer, with every step's gradients scaled down so that their norm is at most `norm`, if given;
    /// see [`OptimizerKernel::clip`]. Penalties and weight decay are added afterwards.
    pub fn clipped(self, norm: Option<f32>) -> Self {
        Self {
            clip_norm: norm,
            ..self
        }
    }

    /// Returns the gradients that a tape starts with: an empty buffer for every parameter. Otherwise dfdx
    /// would fill each gradient with zeros, on one thread.
    pub fn no_gradients(&self) -> Gradients<f32, B> {
        self.placeholders.clone()
    }

    /// Updates `parameters`, the list that the optimizer was created for, with the gradients of the loss plus
    /// those of each parameter's penalty. A parameter without a gradient stays unchanged, as does a frozen one. The
    /// gradients are consumed.
    ///
    /// # Panics
    /// If the lists' lengths differ, or the device fails.
    pub fn step(
        &mut self,
        learning_rate: f32,
        parameters: &mut [Tensor4<B>],
        gradients: &mut Gradients<f32, B>,
        options: &[ParameterOptions],
    ) {
        assert_eq!(
            parameters.len(),
            self.moments.len(),
            "the number of parameters must be the same as when the optimizer was created"
        );
        assert_eq!(
            parameters.len(),
            options.len(),
            "every parameter needs options"
        );
        self.try_step(learning_rate, parameters, gradients, options)
            .unwrap_or_else(device_failed("the optimizer"));
    }

    fn try_step(
        &mut self,
        learning_rate: f32,
        parameters: &mut [Tensor4<B>],
        gradients: &mut Gradients<f32, B>,
        options: &[ParameterOptions],
    ) -> Result<(), B::Err> {
        let Some(device) = &self.device else {
            return Ok(());
        };
        let mut gradients = merged(
            device,
            self.no_gradients(),
            std::mem::replace(gradients, Gradients::leaky()),
        )?;
        let (mut updated, mut found) = (Vec::new(), Vec::new());
        for (index, (parameter, options)) in parameters.iter().zip(options).enumerate() {
            if options.rate_factor == 0.0 {
                continue;
            }
            let gradient = take(device, gradients.get_or_alloc_mut(parameter)?)?;
            if Storage::<f32>::len(device, &gradient) == parameter.shape().num_elements() {
                updated.push(index);
                found.push(gradient);
            }
        }
        if let Some(norm) = self.clip_norm {
            device.clip(norm, &mut found)?;
        }
        for (index, gradient) in updated.into_iter().zip(found) {
            let (parameter, moments) = (&mut parameters[index], &mut self.moments[index]);
            let options = options[index];
            let rate = learning_rate * options.rate_factor;
            moments.update(self.config, device, rate, parameter, &gradient, options)?;
        }
        Ok(())
    }
}

impl<B: Backend> Moments<B> {
    /// Updates one parameter with its gradient.
    fn update(
        &mut self,
        config: OptimizerConfig,
        device: &B,
        learning_rate: f32,
        parameter: &mut Tensor4<B>,
        gradient: &<B as Storage<f32>>::Vec,
        options: ParameterOptions,
    ) -> Result<(), B::Err> {
        self.steps += 1;
        let decay = |weight_decay| if options.decays { weight_decay } else { 0.0 };
        let penalty = options.penalty;
        let correction = |beta: f32| (1.0 - f64::from(beta).powf(self.steps.into())) as f32;
        let adam = |beta1, beta2, epsilon| Adam {
            learning_rate,
            beta1,
            beta2,
            epsilon,
            first_correction: correction(beta1),
            second_correction: correction(beta2),
            remainder: 1.0,
            penalty,
        };
        match (config, self.buffers.as_mut_slice()) {
            (
                OptimizerConfig::Adam {
                    beta1,
                    beta2,
                    epsilon,
                    epsilon_added_to,
                },
                [first, second],
            ) => {
                let mut constants = adam(beta1, beta2, epsilon);
                if epsilon_added_to == SecondMoment::Raw {
                    constants.epsilon /= constants.second_correction.sqrt();
                }
                device.adam(constants, parameter, gradient, first, second)
            }
            (
                OptimizerConfig::AdamW {
                    beta1,
                    beta2,
                    epsilon,
                    weight_decay,
                },
                [first, second],
            ) => {
                let constants = Adam {
                    remainder: 1.0 - learning_rate * decay(weight_decay),
                    ..adam(beta1, beta2, epsilon)
                };
                device.adam(constants, parameter, gradient, first, second)
            }
            (
                OptimizerConfig::RmsProp {
                    decay,
                    momentum,
                    epsilon,
                },
                [square, velocity],
            ) => {
                let constants = RmsProp {
                    learning_rate,
                    decay,
                    momentum,
                    epsilon,
                    penalty,
                };
                device.rms_prop(constants, parameter, gradient, square, velocity)
            }
            (
                OptimizerConfig::Sgd {
                    momentum,
                    weight_decay,
                },
                [velocity],
            ) => {
                // The gradient of l2·w² is 2·l2·w.
                let penalty = Penalty {
                    l2: penalty.l2 + 0.5 * decay(weight_decay),
                    ..penalty
                };
                let constants = Sgd {
                    learning_rate,
                    momentum,
                    penalty,
                };
                device.sgd(constants, parameter, gradient, velocity)
            }
            _ => unreachable!("an optimizer has one buffer for each of its buffer names"),
        }
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
