//! [`Network`]: a network that can be run and trained.

mod split;
mod state;
#[cfg(test)]
pub(super) mod tests;

use std::ops::Range;

use contract::Invalid;
use dfdx::shapes::HasShape;
use dfdx::tensor::Tape;
use ops::optimizer::{ParameterOptions, Penalty};
use ops::{self, Activation, Backend, RunningStats, Tensor4, Wanted};

use super::architecture::Architecture;
use super::feature::Feature;
use super::initializer::Initializer;
use super::layer::{Layer, Pool};
use super::parameters::Initial;
use super::window::{conv_padding, transposed_padding};

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
    modules: Vec<Module>,
    parameters: Vec<Tensor4<B>>,
    /// Names of the parameters and then of the running statistics, in order: `0.conv.weight`.
    names: Vec<String>,
    options: Vec<ParameterOptions>,
    running: Vec<RunningStats<B>>,
}

/// A computation that is ready to run: that of a layer, of a convolution with the pooling after it, or of a layer's
/// activation, if the layer cannot compute it.
struct Module {
    op: Op,
    /// Index of the layer whose output it computes.
    layer: usize,
    /// Indices of the layer's parameters; empty for layers without parameters.
    parameters: Range<usize>,
}

/// The computation of a layer.
enum Op {
    Conv(ops::Conv2d),
    ConvPool(ops::ConvPool2d),
    ConvTranspose(ops::ConvTranspose2d),
    MaxPool(ops::Pool2d),
    AvgPool(ops::Pool2d),
    GlobalAvgPool,
    BatchNorm {
        op: ops::BatchNorm,
        /// Index of the running statistics.
        running: usize,
    },
    Dropout {
        rate: f32,
        /// The layer's number, which makes its masks differ from those of other layers.
        layer: u64,
    },
    Flatten,
    Dense(Activation),
    Reshape(Feature),
    Upsample(usize),
    Activation(Activation),
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
            running: Vec::new(),
            architecture,
        };
        let inputs = network.architecture.layer_inputs();
        let layers = network.architecture.computed_layers();
        for (index, (layer, input)) in layers.iter().zip(inputs).enumerate() {
            let op = network.op(index, layer, input)?;
            let parameters = network.add_tensors(layer, input, |len, fan_in, fan_out| {
                initializer.draw(len, fan_in, fan_out, seed, index)
            });
            let end = parameters.end;
            network.push(Module {
                op,
                layer: index,
                parameters,
            });
            if let Some(activation) = layer.separate_activation() {
                network.push(Module {
                    op: Op::Activation(activation),
                    layer: index,
                    parameters: end..end,
                });
            }
        }
        Ok(network)
    }

    /// Adds a module, joined with the last one if both can be computed together.
    fn push(&mut self, module: Module) {
        if let Some(last) = self.modules.last_mut()
            && let (Op::Conv(conv), Op::MaxPool(pool)) = (&last.op, &module.op)
        {
            last.op = Op::ConvPool(ops::ConvPool2d {
                conv: *conv,
                pool: *pool,
            });
            last.layer = module.layer;
        } else {
            self.modules.push(module);
        }
    }

    /// Returns the computation of the layer at `index`, without an activation that is computed separately. Its running
    /// statistics, if it has any, are those that are added next.
    fn op(&self, index: usize, layer: &Layer, input: Feature) -> Result<Op, Invalid> {
        let fused = |activation: Activation| match activation.is_fusible() {
            true => activation,
            false => Activation::Linear,
        };
        Ok(match layer {
            Layer::Conv(conv) => Op::Conv(ops::Conv2d {
                stride: conv.stride,
                padding: conv_padding(conv.padding, conv.kernel, conv.stride, input)?,
                activation: fused(conv.activation),
            }),
            Layer::ConvTranspose(conv) => Op::ConvTranspose(ops::ConvTranspose2d {
                stride: conv.stride,
                padding: transposed_padding(conv.padding, conv.kernel, conv.stride)?,
                activation: fused(conv.activation),
            }),
            Layer::Dense(dense) => Op::Dense(fused(dense.activation)),
            Layer::BatchNorm(norm) => Op::BatchNorm {
                op: ops::BatchNorm {
                    momentum: norm.momentum,
                    epsilon: norm.epsilon,
                },
                running: self.running.len(),
            },
            Layer::MaxPool(pool) => Op::MaxPool(pool.op()),
            Layer::AvgPool(pool) => Op::AvgPool(pool.op()),
            Layer::GlobalAvgPool {} => Op::GlobalAvgPool,
            Layer::Dropout(rate) => Op::Dropout {
                rate: *rate,
                layer: index as u64,
            },
            Layer::Flatten {} => Op::Flatten,
            Layer::Reshape(shape) => {
                Op::Reshape(Feature::new(shape.channels, shape.height, shape.width))
            }
            Layer::Upsample(factor) => Op::Upsample(*factor),
            Layer::Activation(activation) => Op::Activation(*activation),
        })
    }

    /// Adds the tensors of a layer, and returns the indices of its parameters. `draw` makes the weights that
    /// are not constant, given their number, fan-in and fan-out.
    fn add_tensors(
        &mut self,
        layer: &Layer,
        input: Feature,
        draw: impl Fn(usize, usize, usize) -> Vec<f32>,
    ) -> Range<usize> {
        let first = self.parameters.len();
        let tensors = layer.tensors(input);
        for parameter in tensors.parameters {
            let len = ops::len(parameter.shape);
            let values = match parameter.initial {
                Initial::Drawn { fan_in, fan_out } => draw(len, fan_in, fan_out),
                Initial::Constant(value) => vec![value; len],
            };
            let tensor = ops::from_host(&self.device, values, parameter.shape);
            self.parameters.push(tensor);
            self.options.push(ParameterOptions {
                penalty: parameter.penalty,
                // Biases and the scales and shifts of normalization do not decay.
                decays: matches!(parameter.initial, Initial::Drawn { .. }),
                ..ParameterOptions::default()
            });
        }
        if tensors.running > 0 {
            let constant = |value: f32| {
                let shape = (1, tensors.running, 1, 1);
                ops::from_host(&self.device, vec![value; tensors.running], shape)
            };
            self.running.push(RunningStats {
                mean: constant(0.0),
                variance: constant(1.0),
            });
        }
        first..self.parameters.len()
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
        let mut x = x;
        let mut below_parameters = true;
        for module in &self.modules[modules] {
            let wanted = match mode {
                // Below the first layer with weights, no gradient is needed unless the caller needs that of
                // the input.
                Mode::Train { wanted, .. } => Wanted {
                    input: wanted.input || !below_parameters,
                    ..wanted
                },
                Mode::Predict => Wanted {
                    input: T::OWNS_TAPE,
                    parameters: false,
                },
                Mode::Estimate => Wanted {
                    input: false,
                    parameters: false,
                },
            };
            let parameters = &self.parameters[module.parameters.clone()];
            x = match module.op {
                Op::Conv(op) => ops::conv2d(x, &parameters[0], &parameters[1], op, wanted),
                Op::ConvPool(op) => ops::conv_pool2d(x, &parameters[0], &parameters[1], op, wanted),
                Op::ConvTranspose(op) => {
                    ops::conv_transpose2d(x, &parameters[0], &parameters[1], op, wanted)
                }
                Op::Dense(activation) => {
                    ops::dense(x, &parameters[0], &parameters[1], activation, wanted)
                }
                Op::BatchNorm { op, running } => {
                    let (scale, shift) = (&parameters[0], &parameters[1]);
                    let running = &mut self.running[running];
                    match mode {
                        Mode::Train { .. } => {
                            ops::batch_norm_train(x, scale, shift, running, op, wanted)
                        }
                        Mode::Predict => ops::batch_norm_eval(x, scale, shift, running, op),
                        Mode::Estimate => {
                            let only_batch = ops::BatchNorm {
                                momentum: 0.0,
                                ..op
                            };
                            ops::batch_norm_train(x, scale, shift, running, only_batch, wanted)
                        }
                    }
                }
                Op::Dropout { rate, layer } => match mode {
                    Mode::Train { seed, step, .. } => ops::dropout(x, rate, seed, [step, layer]),
                    Mode::Predict | Mode::Estimate => x,
                },
                Op::MaxPool(op) => ops::max_pool2d(x, op),
                Op::AvgPool(op) => ops::avg_pool2d(x, op),
                Op::GlobalAvgPool => ops::global_avg_pool2d(x),
                Op::Flatten => ops::flatten(x),
                Op::Reshape(to) => ops::reshape(x, (to.channels, to.height, to.width)),
                Op::Upsample(factor) => ops::upsample_nearest2d(x, factor),
                Op::Activation(activation) => ops::activation(x, activation),
            };
            below_parameters &= module.parameters.is_empty();
        }
        x
    }
}

impl Pool {
    fn op(&self) -> ops::Pool2d {
        ops::Pool2d {
            kernel: self.kernel,
            stride: self.stride,
        }
    }
}
