//! The tensors of every kind of layer. They are defined only here: the network that is trained, its size and its
//! cost are all derived from them.

use ops::Nchw;
use ops::optimizer::Penalty;

use super::feature::Feature;
use super::layer::Layer;

/// A tensor that training adjusts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameter {
    /// Its name within the layer, such as `weight`.
    pub part: &'static str,
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
    /// Number of channels whose running mean and variance the layer keeps; 0 for layers without statistics.
    pub running: usize,
}

impl Layer {
    /// Returns the tensors that the layer has for `input`. Sizes that overflow are saturated:
    /// [`super::shape::shapes`] refuses them.
    pub(super) fn tensors(&self, input: Feature) -> LayerTensors {
        let channels = input.channels;
        match self {
            Self::Conv(conv) => {
                let area = conv.kernel.saturating_mul(conv.kernel);
                let shape = (conv.filters, channels, conv.kernel, conv.kernel);
                let weight = drawn(shape, Stored::Kernels, [channels, conv.filters], area);
                weight_and_bias(weight, conv.filters, conv.l1, conv.l2)
            }
            Self::ConvTranspose(conv) => {
                let area = conv.kernel.saturating_mul(conv.kernel);
                let shape = (channels, conv.filters, conv.kernel, conv.kernel);
                let weight = drawn(shape, Stored::Kernels, [channels, conv.filters], area);
                weight_and_bias(weight, conv.filters, 0.0, 0.0)
            }
            Self::Dense(dense) => {
                let shape = (dense.units, channels, 1, 1);
                let weight = drawn(shape, Stored::Matrix, [channels, dense.units], 1);
                weight_and_bias(weight, dense.units, dense.l1, dense.l2)
            }
            Self::BatchNorm(_) => LayerTensors {
                parameters: vec![
                    constant("scale", channels, 1.0),
                    constant("shift", channels, 0.0),
                ],
                running: channels,
            },
            Self::MaxPool(_)
            | Self::AvgPool(_)
            | Self::GlobalAvgPool {}
            | Self::Dropout(_)
            | Self::Flatten {}
            | Self::Reshape(_)
            | Self::Upsample(_)
            | Self::Activation(_) => LayerTensors::default(),
        }
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
        let parameters = parameters.map(|p| named(p.part, p.stored.dimensions(p.shape)));
        let running: &[&str] = match self.running {
            0 => &[],
            _ => &["mean", "variance"],
        };
        let running = running.iter().map(|part| named(part, vec![self.running]));
        [parameters.collect(), running.collect()]
    }

    /// Returns the number of values that the layer keeps: its parameters and running statistics.
    pub(super) fn state_len(&self) -> u64 {
        self.parameter_len() + 2 * self.running as u64
    }
}

/// Returns the weight of a layer with `area` taps for each pair of an input and an output channel.
fn drawn(shape: Nchw, stored: Stored, [inputs, outputs]: [usize; 2], area: usize) -> Parameter {
    Parameter {
        part: "weight",
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
        part,
        shape: (1, channels, 1, 1),
        stored: Stored::Vector,
        initial: Initial::Constant(value),
        penalty: Penalty::default(),
    }
}

fn weight_and_bias(weight: Parameter, outputs: usize, l1: f32, l2: f32) -> LayerTensors {
    let weight = Parameter {
        penalty: Penalty { l1, l2 },
        ..weight
    };
    LayerTensors {
        parameters: vec![weight, constant("bias", outputs, 0.0)],
        running: 0,
    }
}
