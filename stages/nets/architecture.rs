//! A list of layers, with the input that it is made for.

use contract::Invalid;
use ops::Activation;
use serde::{Deserialize, Serialize};

use super::feature::Feature;
use super::layer::Layer;
use super::parameters::{LayerTensors, StateTensor};
use super::shape::shapes;

/// Everything about a network except its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    pub input: Feature,
    pub layers: Vec<Layer>,
}

impl Architecture {
    /// Creates an architecture, if the layers fit one another.
    pub fn new(input: Feature, layers: Vec<Layer>) -> Result<Self, Invalid> {
        if layers.is_empty() {
            return Err(Invalid::new("a network needs at least one layer"));
        }
        shapes(&layers, input)?;
        Ok(Self { input, layers })
    }

    /// Returns the layers as a network computes them: without a sigmoid at the end, whether it is part of a layer or a
    /// layer of its own. So a network returns logits, from which losses and probabilities are computed.
    pub fn computed_layers(&self) -> Vec<Layer> {
        let mut layers = self.layers.clone();
        let mut backwards = layers.iter_mut().rev();
        let last = backwards.find(|layer| !matches!(layer, Layer::Flatten {} | Layer::Reshape(_)));
        if let Some(activation @ Activation::Sigmoid) = last.and_then(Layer::activation_mut) {
            *activation = Activation::Linear;
        }
        layers
    }

    /// Returns the input of each layer, in order.
    pub fn layer_inputs(&self) -> Vec<Feature> {
        let outputs = shapes(&self.layers, self.input).expect("layers are checked on creation");
        std::iter::once(self.input)
            .chain(outputs)
            .take(self.layers.len())
            .collect()
    }

    /// Returns the tensors of each layer, in order.
    pub(super) fn tensors(&self) -> impl Iterator<Item = LayerTensors> {
        let layers = self.layers.iter().zip(self.layer_inputs());
        layers.map(|(layer, input)| layer.tensors(input))
    }

    /// Returns all tensors of a network of these layers, as a file of weights describes them: first the parameters of
    /// all layers, then their running statistics.
    pub fn state(&self) -> Vec<StateTensor> {
        let mut all = [Vec::new(), Vec::new()];
        for (index, (tensors, layer)) in self.tensors().zip(&self.layers).enumerate() {
            for (all, of_layer) in all.iter_mut().zip(tensors.state(index, layer)) {
                all.extend(of_layer);
            }
        }
        all.concat()
    }

    /// Returns the number of values in a network of these layers: its parameters and running statistics.
    pub fn state_len(&self) -> u64 {
        self.tensors().map(|layer| layer.state_len()).sum()
    }

    /// Returns the indices of the layers with values that training adjusts.
    pub fn trained_layers(&self) -> impl Iterator<Item = usize> {
        let layers = self.tensors().enumerate();
        layers
            .filter(|(_, tensors)| !tensors.parameters.is_empty())
            .map(|(index, _)| index)
    }

    /// Returns the numbers, from 1, of the layers that are or contain a convolution and whose output has more than one
    /// pixel.
    pub fn convolutions(&self) -> Vec<usize> {
        let outputs = shapes(&self.layers, self.input).expect("layers are checked on creation");
        let layers = self.layers.iter().zip(outputs).zip(1..);
        layers
            .filter(|((layer, output), _)| layer.convolves() && output.height * output.width > 1)
            .map(|(_, number)| number)
            .collect()
    }

    pub fn output(&self) -> Feature {
        let outputs = shapes(&self.layers, self.input).expect("layers are checked on creation");
        outputs.last().copied().unwrap_or(self.input)
    }
}

/// Checks the layers that are given as the parameter `name`, and returns their output.
pub fn check_layers(name: &str, layers: &[Layer], input: Feature) -> Result<Feature, Invalid> {
    Architecture::new(input, layers.to_vec())
        .map(|a| a.output())
        .map_err(|e| e.under(name))
}
