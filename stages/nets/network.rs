//! [`Network`]: a network that can be run and trained.

mod state;

use contract::Invalid;
use dfdx::shapes::HasShape;
use dfdx::tensor::Tape;

use super::architecture::Architecture;
use super::initializer::Initializer;
use super::layer::Layer;
use super::shape::{Feature, conv_padding, transposed_padding};
use crate::ops::optimizer::Penalty;
use crate::ops::{self, Activation, Backend, RunningStats, Tensor4, Wanted};

/// Purpose of a forward pass.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// Uses dropout and batch statistics. The dropout masks depend only on `seed` and `step`.
    Train {
        seed: u64,
        step: u64,
        wanted: Wanted,
    },
    /// Uses running statistics and no dropout.
    Predict,
}

/// The layers of an [`Architecture`], with their weights on a device.
pub struct Network<B: Backend> {
    architecture: Architecture,
    device: B,
    modules: Vec<Module>,
    parameters: Vec<Tensor4<B>>,
    /// Name of each parameter, in order: `0.conv.weight`.
    names: Vec<String>,
    penalties: Vec<Penalty>,
    running: Vec<RunningStats<B>>,
}

/// A layer that is ready to run. `weight` and `scale` are indices of parameters, each followed by its bias.
enum Module {
    Conv {
        op: ops::Conv2d,
        weight: usize,
    },
    ConvPool {
        op: ops::ConvPool2d,
        weight: usize,
    },
    ConvTranspose {
        op: ops::ConvTranspose2d,
        weight: usize,
    },
    MaxPool(ops::Pool2d),
    AvgPool(ops::Pool2d),
    GlobalAvgPool,
    BatchNorm {
        op: ops::BatchNorm,
        scale: usize,
        running: usize,
    },
    Dropout {
        rate: f32,
        /// The layer's number, which makes its masks differ from those of other layers.
        layer: u64,
    },
    Flatten,
    Dense {
        activation: Activation,
        weight: usize,
    },
    Reshape(Feature),
    Upsample(usize),
    Activation(Activation),
}

impl<B: Backend> Network<B> {
    /// Creates a network with weights drawn by `initializer` from `seed`.
    ///
    /// A sigmoid at the end, whether part of a layer or a layer of its own, is left out: [`Network::forward`]
    /// returns logits, from which losses and probabilities are computed.
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
            names: Vec::new(),
            penalties: Vec::new(),
            running: Vec::new(),
            architecture,
        };
        let inputs = network.architecture.layer_inputs();
        let layers = network.architecture.layers.clone();
        for (index, (layer, input)) in layers.iter().zip(inputs).enumerate() {
            let module = network.module(index, layer, input, initializer, seed)?;
            network.push(module);
        }
        let mut modules = network.modules.iter_mut().rev();
        if let Some(last) = modules.find(|module| !module.only_reshapes())
            && let Some(activation @ Activation::Sigmoid) = last.activation_mut()
        {
            *activation = Activation::Linear;
        }
        Ok(network)
    }

    /// Adds a module, joined with the last one if both can be computed together.
    fn push(&mut self, module: Module) {
        match (self.modules.last_mut(), module) {
            (Some(last @ Module::Conv { .. }), Module::MaxPool(pool)) => {
                if let Module::Conv { op: conv, weight } = *last {
                    let op = ops::ConvPool2d { conv, pool };
                    *last = Module::ConvPool { op, weight };
                }
            }
            (_, module) => self.modules.push(module),
        }
    }

    fn module(
        &mut self,
        index: usize,
        layer: &Layer,
        input: Feature,
        initializer: Initializer,
        seed: u64,
    ) -> Result<Module, Invalid> {
        Ok(match layer {
            Layer::Conv(conv) => {
                let padding = conv_padding(conv.padding, conv.kernel, conv.stride, input)?;
                let area = conv.kernel * conv.kernel;
                let weights = initializer.draw(
                    conv.filters * input.channels * area,
                    input.channels * area,
                    conv.filters * area,
                    seed,
                    index,
                );
                let shape = (conv.filters, input.channels, conv.kernel, conv.kernel);
                let penalty = Penalty {
                    l1: conv.l1,
                    l2: conv.l2,
                };
                let weight =
                    self.weight_and_bias(index, layer, weights, shape, conv.filters, penalty);
                let op = ops::Conv2d {
                    stride: conv.stride,
                    padding,
                    activation: conv.activation,
                };
                Module::Conv { op, weight }
            }
            Layer::ConvTranspose(conv) => {
                let padding = transposed_padding(conv.padding, conv.kernel, conv.stride)?;
                let area = conv.kernel * conv.kernel;
                let weights = initializer.draw(
                    input.channels * conv.filters * area,
                    input.channels * area,
                    conv.filters * area,
                    seed,
                    index,
                );
                let shape = (input.channels, conv.filters, conv.kernel, conv.kernel);
                let weight = self.weight_and_bias(
                    index,
                    layer,
                    weights,
                    shape,
                    conv.filters,
                    Penalty::default(),
                );
                let op = ops::ConvTranspose2d {
                    stride: conv.stride,
                    padding,
                    activation: conv.activation,
                };
                Module::ConvTranspose { op, weight }
            }
            Layer::Dense(dense) => {
                let features = input.channels;
                let weights =
                    initializer.draw(dense.units * features, features, dense.units, seed, index);
                let penalty = Penalty {
                    l1: dense.l1,
                    l2: dense.l2,
                };
                let shape = (dense.units, features, 1, 1);
                let weight =
                    self.weight_and_bias(index, layer, weights, shape, dense.units, penalty);
                Module::Dense {
                    activation: dense.activation,
                    weight,
                }
            }
            Layer::BatchNorm(norm) => {
                let channels = input.channels;
                let scale = self.parameter(
                    index,
                    layer,
                    "scale",
                    vec![1.0; channels],
                    (1, channels, 1, 1),
                    Penalty::default(),
                );
                self.parameter(
                    index,
                    layer,
                    "shift",
                    vec![0.0; channels],
                    (1, channels, 1, 1),
                    Penalty::default(),
                );
                self.running.push(RunningStats {
                    mean: ops::from_host(&self.device, vec![0.0; channels], (1, channels, 1, 1)),
                    variance: ops::from_host(
                        &self.device,
                        vec![1.0; channels],
                        (1, channels, 1, 1),
                    ),
                });
                let op = ops::BatchNorm {
                    momentum: norm.momentum,
                    epsilon: norm.epsilon,
                };
                Module::BatchNorm {
                    op,
                    scale,
                    running: self.running.len() - 1,
                }
            }
            Layer::MaxPool(pool) => Module::MaxPool(ops::Pool2d {
                kernel: pool.kernel,
                stride: pool.stride,
            }),
            Layer::AvgPool(pool) => Module::AvgPool(ops::Pool2d {
                kernel: pool.kernel,
                stride: pool.stride,
            }),
            Layer::GlobalAvgPool {} => Module::GlobalAvgPool,
            Layer::Dropout(rate) => Module::Dropout {
                rate: *rate,
                layer: index as u64,
            },
            Layer::Flatten {} => Module::Flatten,
            Layer::Reshape(shape) => {
                Module::Reshape(Feature::new(shape.channels, shape.height, shape.width))
            }
            Layer::Upsample(factor) => Module::Upsample(*factor),
            Layer::Activation(activation) => Module::Activation(*activation),
        })
    }

    fn weight_and_bias(
        &mut self,
        index: usize,
        layer: &Layer,
        weights: Vec<f32>,
        shape: ops::Nchw,
        outputs: usize,
        penalty: Penalty,
    ) -> usize {
        let weight = self.parameter(index, layer, "weight", weights, shape, penalty);
        self.parameter(
            index,
            layer,
            "bias",
            vec![0.0; outputs],
            (1, outputs, 1, 1),
            Penalty::default(),
        );
        weight
    }

    fn parameter(
        &mut self,
        index: usize,
        layer: &Layer,
        part: &str,
        values: Vec<f32>,
        shape: ops::Nchw,
        penalty: Penalty,
    ) -> usize {
        self.parameters
            .push(ops::from_host(&self.device, values, shape));
        self.names.push(format!("{index}.{}.{part}", layer.name()));
        self.penalties.push(penalty);
        self.parameters.len() - 1
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

    /// Returns the parameters, to be changed, and the penalty on each.
    pub fn parameters_mut(&mut self) -> (&mut [Tensor4<B>], &[Penalty]) {
        (&mut self.parameters, &self.penalties)
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
        let mut x = x;
        let mut below_parameters = true;
        for module in &self.modules {
            let wanted = match mode {
                // Below the first layer with weights, no gradient is needed unless the caller needs that of
                // the input.
                Mode::Train { wanted, .. } => Wanted {
                    input: wanted.input || !below_parameters,
                    ..wanted
                },
                Mode::Predict => Wanted {
                    input: false,
                    parameters: false,
                },
            };
            let parameter = |index: usize| &self.parameters[index];
            x = match *module {
                Module::Conv { op, weight } => {
                    ops::conv2d(x, parameter(weight), parameter(weight + 1), op, wanted)
                }
                Module::ConvPool { op, weight } => {
                    ops::conv_pool2d(x, parameter(weight), parameter(weight + 1), op, wanted)
                }
                Module::ConvTranspose { op, weight } => {
                    ops::conv_transpose2d(x, parameter(weight), parameter(weight + 1), op, wanted)
                }
                Module::Dense { activation, weight } => ops::dense(
                    x,
                    parameter(weight),
                    parameter(weight + 1),
                    activation,
                    wanted,
                ),
                Module::BatchNorm { op, scale, running } => match mode {
                    Mode::Train { .. } => ops::batch_norm_train(
                        x,
                        parameter(scale),
                        parameter(scale + 1),
                        &mut self.running[running],
                        op,
                        wanted,
                    ),
                    Mode::Predict => ops::batch_norm_eval(
                        x,
                        parameter(scale),
                        parameter(scale + 1),
                        &self.running[running],
                        op,
                    ),
                },
                Module::Dropout { rate, layer } => match mode {
                    Mode::Train { seed, step, .. } => ops::dropout(x, rate, seed, [step, layer]),
                    Mode::Predict => x,
                },
                Module::MaxPool(op) => ops::max_pool2d(x, op),
                Module::AvgPool(op) => ops::avg_pool2d(x, op),
                Module::GlobalAvgPool => ops::global_avg_pool2d(x),
                Module::Flatten => ops::flatten(x),
                Module::Reshape(to) => ops::reshape(x, (to.channels, to.height, to.width)),
                Module::Upsample(factor) => ops::upsample_nearest2d(x, factor),
                Module::Activation(activation) => ops::activation(x, activation),
            };
            below_parameters &= !module.has_parameters();
        }
        x
    }
}

impl Module {
    fn only_reshapes(&self) -> bool {
        matches!(self, Self::Flatten | Self::Reshape(_))
    }

    fn activation_mut(&mut self) -> Option<&mut Activation> {
        match self {
            Self::Conv { op, .. } => Some(&mut op.activation),
            Self::ConvPool { op, .. } => Some(&mut op.conv.activation),
            Self::ConvTranspose { op, .. } => Some(&mut op.activation),
            Self::Dense { activation, .. } | Self::Activation(activation) => Some(activation),
            _ => None,
        }
    }

    fn has_parameters(&self) -> bool {
        matches!(
            self,
            Self::Conv { .. }
                | Self::ConvPool { .. }
                | Self::ConvTranspose { .. }
                | Self::Dense { .. }
                | Self::BatchNorm { .. }
        )
    }
}
