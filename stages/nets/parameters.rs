//! The tensors of every kind of layer. They are defined only here: the network that is trained, its size and its
//! cost are all derived from them.

use ops::Nchw;
use ops::optimizer::Penalty;

use super::feature::Feature;
use super::layer::{Conv, Layer};

/// A tensor that training adjusts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameter {
    /// Its name within the layer: `weight`, or `0.conv.weight` if it belongs to a layer inside of it.
    pub part: String,
    pub shape: Nchw,
    pub stored: Stored,
    pub initial: Initial,
    pub penalty: Penalty,
}

/// Shape of a tensor in a file of weights. In memory, all tensors have four dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// All four dimensions: the kernels of a convolution.
    Kernels,
    /// The first two dimensions: outputs and inputs of a dense layer.
    Matrix,
    /// The second dimension: a value for each channel.
    Vector,
}

impl Stored {
    /// Returns the dimensions in a file for `shape` in memory.
    fn dimensions(self, (n, c, h, w): Nchw) -> Vec<usize> {
        match self {
            Self::Kernels => vec![n, c, h, w],
            Self::Matrix => vec![n, c],
            Self::Vector => vec![c],
        }
    }
}

/// A tensor of a network's state as a file of weights describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateTensor {
    /// Position of its layer, name of the layer and name within the layer: `0.conv.weight`.
    pub name: String,
    pub dimensions: Vec<usize>,
}

impl StateTensor {
    /// Returns the index of the layer that it belongs to.
    pub fn layer(&self) -> usize {
        let (index, _) = self.name.split_once('.').unwrap_or_default();
        index.parse().unwrap_or_default()
    }
}

/// Initial values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Initial {
    /// Drawn by the network's initializer, which scales them by the number of inputs that an output depends on
    /// (`fan_in`) and the number of outputs that an input affects (`fan_out`).
    Drawn { fan_in: usize, fan_out: usize },
    /// The same number everywhere.
    Constant(f32),
}

/// The tensors of one layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LayerTensors {
    /// The trained tensors, in the order in which [`super::Network::forward`] reads them.
    pub parameters: Vec<Parameter>,
    /// The running statistics, in the same order.
    pub running: Vec<Running>,
}

/// The running mean and variance of a `batch_norm`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Running {
    /// Beginning of their names within the layer: empty, or `1.batch_norm.` if they belong to a layer inside of it.
    pub owner: String,
    pub channels: usize,
}

impl Layer {
    /// Returns the tensors that the layer has for `input`. Sizes that overflow are saturated:
    /// [`super::shape::shapes`] refuses them.
    pub(super) fn tensors(&self, input: Feature) -> LayerTensors {
        let channels = input.channels;
        match self {
            Self::Conv(conv) => convolution(conv, channels),
            Self::DepthwiseConv(conv) => convolution(&conv.conv(channels), channels),
            Self::ConvTranspose(conv) => {
                let area = conv.kernel.saturating_mul(conv.kernel);
                let shape = (channels, conv.filters, conv.kernel, conv.kernel);
                let weight = drawn(shape, Stored::Kernels, [channels, conv.filters], area);
                with_bias(weight, conv.filters)
            }
            Self::Dense(dense) => {
                let shape = (dense.units, channels, 1, 1);
                let weight = drawn(shape, Stored::Matrix, [channels, dense.units], 1);
                with_bias(penalized(weight, dense.l1, dense.l2), dense.units)
            }
            Self::BatchNorm(_) => LayerTensors {
                parameters: scale_and_shift(channels),
                running: vec![Running {
                    owner: String::new(),
                    channels,
                }],
            },
            Self::LayerNorm(_) | Self::GroupNorm(_) => LayerTensors {
                parameters: scale_and_shift(channels),
                running: Vec::new(),
            },
            Self::SeparableConv(_)
            | Self::Residual(_)
            | Self::Concat(_)
            | Self::SqueezeExcite(_)
            | Self::InvertedResidual(_) => self.inner_tensors(input),
            Self::MaxPool(_)
            | Self::AvgPool(_)
            | Self::GlobalMaxPool {}
            | Self::GlobalAvgPool {}
            | Self::Dropout(_)
            | Self::SpatialDropout(_)
            | Self::Flatten {}
            | Self::Reshape(_)
            | Self::Upsample(_)
            | Self::Activation(_)
            | Self::Normalize(_) => LayerTensors::default(),
        }
    }

    /// Returns the tensors of the layers inside of this one.
    fn inner_tensors(&self, input: Feature) -> LayerTensors {
        let mut all = LayerTensors::default();
        for chain in self.inner(input).into_iter().flat_map(|inner| inner.chains) {
            let mut input = input;
            for (index, layer) in chain.layers.iter().enumerate() {
                let owner = format!("{}{index}.{}.", chain.name, layer.name());
                let LayerTensors {
                    parameters,
                    running,
                } = layer.tensors(input);
                all.parameters
                    .extend(parameters.into_iter().map(|parameter| Parameter {
                        part: format!("{owner}{}", parameter.part),
                        ..parameter
                    }));
                all.running
                    .extend(running.into_iter().map(|running| Running {
                        owner: format!("{owner}{}", running.owner),
                        ..running
                    }));
                input = layer.output(input);
            }
        }
        all
    }
}

/// Returns the tensors of a convolution of `channels`.
fn convolution(conv: &Conv, channels: usize) -> LayerTensors {
    let groups = conv.groups.max(1);
    let [height, width] = conv.kernel.0;
    let shape = (conv.filters, channels / groups, height, width);
    let connected = [channels / groups, conv.filters / groups];
    let weight = drawn(shape, Stored::Kernels, connected, conv.kernel.area());
    let weight = penalized(weight, conv.l1, conv.l2);
    match conv.bias {
        true => with_bias(weight, conv.filters),
        false => LayerTensors {
            parameters: vec![weight],
            running: Vec::new(),
        },
    }
}

impl Parameter {
    /// Returns the number of values; `None` if it overflows.
    pub(super) fn len(&self) -> Option<usize> {
        let (n, c, h, w) = self.shape;
        [c, h, w].into_iter().try_fold(n, usize::checked_mul)
    }
}

impl LayerTensors {
    /// Returns the number of values that training adjusts.
    pub(super) fn parameter_len(&self) -> u64 {
        let lengths = self.parameters.iter().map(Parameter::len);
        lengths
            .map(|len| len.expect("checked when made") as u64)
            .sum()
    }

    /// Returns the tensors of `layer`, which is at `index`, as a file of weights describes them: its parameters and
    /// its running statistics.
    pub(super) fn state(&self, index: usize, layer: &Layer) -> [Vec<StateTensor>; 2] {
        let named = |part: &str, dimensions| StateTensor {
            name: format!("{index}.{}.{part}", layer.name()),
            dimensions,
        };
        let parameters = self.parameters.iter();
        let parameters = parameters.map(|p| named(&p.part, p.stored.dimensions(p.shape)));
        let running = self.running.iter().flat_map(|running| {
            let part = |part: &str| format!("{}{part}", running.owner);
            ["mean", "variance"].map(|name| named(&part(name), vec![running.channels]))
        });
        [parameters.collect(), running.collect()]
    }

    /// Returns the number of values that the layer keeps: its parameters and running statistics.
    pub(super) fn state_len(&self) -> u64 {
        let running: usize = self.running.iter().map(|running| running.channels).sum();
        self.parameter_len() + 2 * running as u64
    }
}

/// Returns the weight of a layer with `area` taps for each pair of an input and an output channel.
fn drawn(shape: Nchw, stored: Stored, [inputs, outputs]: [usize; 2], area: usize) -> Parameter {
    Parameter {
        part: "weight".to_owned(),
        shape,
        stored,
        initial: Initial::Drawn {
            fan_in: inputs.saturating_mul(area),
            fan_out: outputs.saturating_mul(area),
        },
        penalty: Penalty::default(),
    }
}

fn constant(part: &'static str, channels: usize, value: f32) -> Parameter {
    Parameter {
        part: part.to_owned(),
        shape: (1, channels, 1, 1),
        stored: Stored::Vector,
        initial: Initial::Constant(value),
        penalty: Penalty::default(),
    }
}

fn penalized(weight: Parameter, l1: f32, l2: f32) -> Parameter {
    Parameter {
        penalty: Penalty { l1, l2 },
        ..weight
    }
}

fn scale_and_shift(channels: usize) -> Vec<Parameter> {
    vec![
        constant("scale", channels, 1.0),
        constant("shift", channels, 0.0),
    ]
}

fn with_bias(weight: Parameter, outputs: usize) -> LayerTensors {
    LayerTensors {
        parameters: vec![weight, constant("bias", outputs, 0.0)],
        running: Vec::new(),
    }
}
