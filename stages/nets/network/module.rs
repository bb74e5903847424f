//! [`Module`]: a computation that is ready to run, and how layers become modules.

use std::ops::Range;

use contract::Invalid;
use ops::optimizer::ParameterOptions;
use ops::{self, Activation, Backend, RunningStats, Tensor4};

use super::Network;
use crate::nets::feature::Feature;
use crate::nets::initializer::Initializer;
use crate::nets::layer::{Conv, Inner, Join, Layer, Normalize, Pool};
use crate::nets::parameters::Initial;
use crate::nets::window::{conv_padding, transposed_padding};

/// A computation that is ready to run: that of a layer, of a convolution with the pooling after it, or of a layer's
/// activation, if the layer cannot compute it.
pub(super) struct Module<B: Backend> {
    pub(super) op: Op<B>,
    /// Index of the layer whose output it computes, in its list of layers.
    pub(super) layer: usize,
    /// Indices of its parameters, with those of the layers inside of it; empty for layers without parameters.
    pub(super) parameters: Range<usize>,
}

/// The computation of a layer.
pub(super) enum Op<B: Backend> {
    Conv(ops::Conv2d),
    /// A convolution without bias, with the zeros that take the place of its bias.
    UnbiasedConv(ops::Conv2d, Tensor4<B>),
    ConvPool(ops::ConvPool2d),
    ConvTranspose(ops::ConvTranspose2d),
    MaxPool(ops::Pool2d),
    AvgPool(ops::Pool2d),
    GlobalMaxPool,
    GlobalAvgPool,
    BatchNorm {
        op: ops::BatchNorm,
        /// Index of the running statistics.
        running: usize,
    },
    GroupNorm(ops::GroupNorm),
    Dropout {
        rate: f32,
        /// A number that no other layer of the network has, so that its masks differ from those of other layers.
        layer: u64,
    },
    SpatialDropout {
        rate: f32,
        /// As that of [`Op::Dropout`].
        layer: u64,
    },
    Flatten,
    Dense(Activation),
    Reshape(Feature),
    Upsample(usize),
    Activation(Activation),
    /// Subtraction of constants from each channel, and division by constants.
    Normalize(Box<Constants<B>>),
    /// Chains of modules that have the same input.
    Inner {
        join: Join,
        chains: Vec<Vec<Module<B>>>,
    },
}

/// Constants of a layer that is computed like a `batch_norm` after training: scale 1, shift 0, mean and variance.
pub(super) struct Constants<B: Backend> {
    pub(super) scale: Tensor4<B>,
    pub(super) shift: Tensor4<B>,
    pub(super) statistics: RunningStats<B>,
}

/// Turns layers into modules, with weights that `initializer` draws from `seed`.
pub(super) struct Builder<'a, B: Backend> {
    pub(super) network: &'a mut Network<B>,
    pub(super) initializer: Initializer,
    pub(super) seed: u64,
}

/// Position of a layer in the network.
#[derive(Clone, Copy)]
struct Position {
    /// Index of the layer of the architecture.
    outer: usize,
    /// Number of the layer among all layers inside of that one, from 1, or 0 for that one itself.
    inner: usize,
}

impl<B: Backend> Builder<'_, B> {
    /// Returns the modules of the layers of an architecture.
    pub(super) fn all(
        &mut self,
        layers: &[Layer],
        input: Feature,
    ) -> Result<Vec<Module<B>>, Invalid> {
        let (mut modules, mut input) = (Vec::new(), input);
        for (outer, layer) in layers.iter().enumerate() {
            let mut inside = 0;
            let position = Position { outer, inner: 0 };
            self.add(&mut modules, outer, layer, input, position, &mut inside)?;
            input = layer.output(input);
        }
        Ok(modules)
    }

    /// Adds the modules of the layer at `index` of its list. `inside` counts the layers inside of the outer one.
    fn add(
        &mut self,
        modules: &mut Vec<Module<B>>,
        index: usize,
        layer: &Layer,
        input: Feature,
        position: Position,
        inside: &mut usize,
    ) -> Result<(), Invalid> {
        let first = self.network.parameters.len();
        let op = match layer.inner(input) {
            Some(inner) => self.inner(inner, input, position.outer, inside)?,
            None => {
                let op = self.op(layer, input, position)?;
                self.add_tensors(layer, input, position);
                op
            }
        };
        let end = self.network.parameters.len();
        push(
            modules,
            Module {
                op,
                layer: index,
                parameters: first..end,
            },
        );
        if let Some(activation) = layer.separate_activation() {
            modules.push(Module {
                op: Op::Activation(activation),
                layer: index,
                parameters: end..end,
            });
        }
        Ok(())
    }

    fn inner(
        &mut self,
        inner: Inner,
        input: Feature,
        outer: usize,
        inside: &mut usize,
    ) -> Result<Op<B>, Invalid> {
        let mut chains = Vec::with_capacity(inner.chains.len());
        for chain in inner.chains {
            let (mut modules, mut input) = (Vec::new(), input);
            for (index, layer) in chain.layers.iter().enumerate() {
                *inside += 1;
                let position = Position {
                    outer,
                    inner: *inside,
                };
                self.add(&mut modules, index, layer, input, position, inside)?;
                input = layer.output(input);
            }
            chains.push(modules);
        }
        Ok(Op::Inner {
            join: inner.join,
            chains,
        })
    }

    /// Returns the computation of a layer without layers inside of it, without an activation that is computed
    /// separately. Its running statistics, if it has any, are those that are added next.
    fn op(&self, layer: &Layer, input: Feature, position: Position) -> Result<Op<B>, Invalid> {
        let number = position.outer as u64 | (position.inner as u64) << 32;
        Ok(match layer {
            Layer::Conv(conv) => self.convolution(conv, input)?,
            Layer::DepthwiseConv(conv) => self.convolution(&conv.conv(input.channels), input)?,
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
                running: self.network.running.len(),
            },
            Layer::LayerNorm(norm) => Op::GroupNorm(ops::GroupNorm {
                groups: 1,
                epsilon: norm.epsilon,
            }),
            Layer::GroupNorm(norm) => Op::GroupNorm(ops::GroupNorm {
                groups: norm.groups,
                epsilon: norm.epsilon,
            }),
            Layer::MaxPool(pool) => Op::MaxPool(pool.op()),
            Layer::AvgPool(pool) => Op::AvgPool(pool.op()),
            Layer::GlobalMaxPool {} => Op::GlobalMaxPool,
            Layer::GlobalAvgPool {} => Op::GlobalAvgPool,
            Layer::Dropout(rate) => Op::Dropout {
                rate: *rate,
                layer: number,
            },
            Layer::SpatialDropout(rate) => Op::SpatialDropout {
                rate: *rate,
                layer: number,
            },
            Layer::Flatten {} => Op::Flatten,
            Layer::Reshape(shape) => {
                Op::Reshape(Feature::new(shape.channels, shape.height, shape.width))
            }
            Layer::Upsample(factor) => Op::Upsample(*factor),
            Layer::Activation(activation) => Op::Activation(*activation),
            Layer::Normalize(constants) => {
                Op::Normalize(Box::new(self.constants(constants, input)?))
            }
            Layer::SeparableConv(_)
            | Layer::Residual(_)
            | Layer::Concat(_)
            | Layer::SqueezeExcite(_)
            | Layer::InvertedResidual(_) => unreachable!("it contains layers"),
        })
    }

    fn constants(&self, layer: &Normalize, input: Feature) -> Result<Constants<B>, Invalid> {
        let channels = input.channels;
        let [mean, deviation] = layer
            .constants(channels)
            .ok_or_else(|| Invalid::new("its constants do not fit the channels"))?;
        let tensor = |values| ops::from_host(&self.network.device, values, (1, channels, 1, 1));
        let variance = deviation.iter().map(|deviation| deviation * deviation);
        Ok(Constants {
            scale: tensor(vec![1.0; channels]),
            shift: tensor(vec![0.0; channels]),
            statistics: RunningStats {
                mean: tensor(mean),
                variance: tensor(variance.collect()),
            },
        })
    }

    fn convolution(&self, conv: &Conv, input: Feature) -> Result<Op<B>, Invalid> {
        let op = ops::Conv2d {
            stride: conv.stride.0,
            dilation: conv.dilation.0,
            padding: conv_padding(conv, input)?,
            groups: conv.groups,
            activation: fused(conv.activation),
        };
        Ok(match conv.bias {
            true => Op::Conv(op),
            false => {
                let zeros = vec![0.0; conv.filters];
                let shape = (1, conv.filters, 1, 1);
                let zeros = ops::from_host(&self.network.device, zeros, shape);
                Op::UnbiasedConv(op, zeros)
            }
        })
    }

    /// Adds the tensors of a layer without layers inside of it.
    fn add_tensors(&mut self, layer: &Layer, input: Feature, position: Position) {
        let Position { outer, inner } = position;
        let network = &mut *self.network;
        let tensors = layer.tensors(input);
        for parameter in tensors.parameters {
            let len = ops::len(parameter.shape);
            let values = match parameter.initial {
                Initial::Drawn { fan_in, fan_out } => {
                    let fans = [fan_in, fan_out];
                    self.initializer.draw(len, fans, self.seed, [outer, inner])
                }
                Initial::Constant(value) => vec![value; len],
            };
            let tensor = ops::from_host(&network.device, values, parameter.shape);
            network.parameters.push(tensor);
            network.owners.push(outer);
            network.options.push(ParameterOptions {
                penalty: parameter.penalty,
                // Biases and the scales and shifts of normalization do not decay.
                decays: matches!(parameter.initial, Initial::Drawn { .. }),
                ..ParameterOptions::default()
            });
        }
        for running in tensors.running {
            let constant = |value: f32| {
                let shape = (1, running.channels, 1, 1);
                ops::from_host(&network.device, vec![value; running.channels], shape)
            };
            network.running.push(RunningStats {
                mean: constant(0.0),
                variance: constant(1.0),
            });
        }
    }
}

/// Returns the activation that a layer with weights computes itself.
fn fused(activation: Activation) -> Activation {
    match activation.is_fusible() {
        true => activation,
        false => Activation::Linear,
    }
}

/// Adds a module, joined with the last one if both can be computed together.
fn push<B: Backend>(modules: &mut Vec<Module<B>>, module: Module<B>) {
    if let Some(last) = modules.last_mut()
        && let (Op::Conv(conv), Op::MaxPool(pool)) = (&last.op, &module.op)
        && let Some(joined) = ops::ConvPool2d::of(*conv, *pool)
    {
        last.op = Op::ConvPool(joined);
        last.layer = module.layer;
    } else {
        modules.push(module);
    }
}

impl Pool {
    fn op(&self) -> ops::Pool2d {
        ops::Pool2d {
            kernel: self.kernel.0,
            stride: self.stride.0,
        }
    }
}
