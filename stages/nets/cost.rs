//! Computes what a network needs: operations, parameters, and values between layers.

use super::architecture::Architecture;
use super::feature::Feature;
use super::layer::Layer;
use super::shape::shapes;

/// Size of a value, in bytes.
const NUMBER: u64 = 4;

impl Architecture {
    /// Returns the floating point operations of one example's forward pass, where a multiplication and an
    /// addition are two. Only convolutions and dense layers count; the others are negligible.
    pub fn operations(&self) -> f64 {
        let outputs = self.layer_outputs();
        let layers = self.layers.iter().zip(self.layer_inputs()).zip(outputs);
        layers
            .map(|((layer, input), output)| {
                let area = |feature: Feature| (feature.height * feature.width) as f64;
                let per_place = |kernel: usize, filters: usize| {
                    2.0 * (kernel * kernel) as f64 * input.channels as f64 * filters as f64
                };
                match layer {
                    Layer::Conv(conv) => per_place(conv.kernel, conv.filters) * area(output),
                    Layer::ConvTranspose(conv) => {
                        per_place(conv.kernel, conv.filters) * area(input)
                    }
                    Layer::Dense(dense) => per_place(1, dense.units),
                    Layer::MaxPool(_)
                    | Layer::AvgPool(_)
                    | Layer::GlobalAvgPool {}
                    | Layer::BatchNorm(_)
                    | Layer::Dropout(_)
                    | Layer::Flatten {}
                    | Layer::Reshape(_)
                    | Layer::Upsample(_)
                    | Layer::Activation(_) => 0.0,
                }
            })
            .sum()
    }

    /// Returns the number of values that training adjusts.
    pub fn parameter_len(&self) -> u64 {
        self.tensors().map(|layer| layer.parameter_len()).sum()
    }

    /// Returns the bytes that training holds for all parameters: the parameters, their gradients, and as
    /// many `moments` as the optimizer keeps.
    pub fn parameter_bytes(&self, moments: u64) -> u64 {
        self.parameter_len() * (2 + moments) * NUMBER
    }

    /// Returns the bytes of one example at its widest: the input and the output of one layer.
    pub fn widest_bytes(&self) -> u64 {
        let layers = self.layer_inputs().into_iter().zip(self.layer_outputs());
        let widest = layers.map(|(input, output)| (input.len() + output.len()) as u64);
        widest.max().unwrap_or_default() * NUMBER
    }

    /// Returns the bytes of one example and of every layer's output for it, which training keeps for the
    /// backward pass. An activation that is not part of its layer keeps the layer's output before it, too.
    pub fn activation_bytes(&self) -> u64 {
        let outputs = self.layers.iter().zip(self.layer_outputs());
        let values = outputs.map(|(layer, output)| match layer.separate_activation() {
            Some(_) => 2 * output.len() as u64,
            None => output.len() as u64,
        });
        let values: u64 = values.sum();
        (self.input.len() as u64 + values) * NUMBER
    }

    /// Returns the bytes of the stored weights.
    pub fn state_bytes(&self) -> u64 {
        self.state_len() * NUMBER
    }

    fn layer_outputs(&self) -> Vec<Feature> {
        shapes(&self.layers, self.input).expect("layers are checked on creation")
    }
}

#[cfg(test)]
mod tests {
    use dfdx::tensor::Cpu;
    use serde_json::{Value, json};

    use super::*;
    use crate::nets::{Initializer, Network};

    fn architecture(input: Feature, layers: Value) -> Architecture {
        let layers: Vec<Layer> = serde_json::from_value(layers).expect("layers");
        Architecture::new(input, layers).expect("layers fit")
    }

    #[test]
    fn operations_are_those_counted_by_hand() {
        let classifier = architecture(
            Feature::new(1, 8, 8),
            json!([
                { "conv": { "filters": 4 } },
                { "max_pool": 2 },
                "flatten",
                { "dense": { "units": 3 } },
            ]),
        );
        // 3×3 taps of 1 channel for 4 filters at 64 positions, and 4·4·4 features to 3 units.
        let expected = 2 * 9 * 4 * 64 + 2 * 64 * 3;
        assert_eq!(classifier.operations(), f64::from(expected));

        let generator = architecture(
            Feature::new(10, 1, 1),
            json!([{ "conv_transpose": { "filters": 2, "kernel": 4, "stride": 1, "padding": "valid" } }]),
        );
        assert_eq!(generator.operations(), f64::from(2 * 16 * 10 * 2));
    }

    #[test]
    fn parameters_are_those_that_the_network_has() {
        let architecture = architecture(
            Feature::new(3, 9, 9),
            json!([
                { "conv": { "filters": 4, "padding": 0 } },
                "batch_norm",
                { "conv_transpose": { "filters": 2 } },
                "global_avg_pool",
                { "dense": { "units": 5 } },
            ]),
        );
        let counted = architecture.parameter_len();
        let network = Network::new(architecture, Initializer::Dcgan, 0, Cpu::default());
        let network = network.expect("a network");
        assert_eq!(counted, network.parameter_count() as u64);
    }
}
