//! Computes what a network needs: operations, parameters, and values between layers.

use super::architecture::Architecture;
use super::feature::Feature;
use super::layer::{Conv, Layer};

/// Size of a value, in bytes.
const NUMBER: u64 = 4;

impl Architecture {
    /// Returns the floating point operations of one example's forward pass, where a multiplication and an
    /// addition are two. Only convolutions and dense layers count; the others are negligible.
    pub fn operations(&self) -> f64 {
        let mut sum = 0.0;
        self.visit(&mut |layer, input, output| {
            let area = |feature: Feature| (feature.height * feature.width) as f64;
            let taps = |conv: &Conv| (conv.kernel.area() * (input.channels / conv.groups)) as f64;
            let convolution = |conv: &Conv| taps(conv) * conv.filters as f64 * area(output);
            let products = match layer {
                Layer::Conv(conv) => convolution(conv),
                Layer::DepthwiseConv(conv) => convolution(&conv.conv(input.channels)),
                Layer::ConvTranspose(conv) => {
                    let taps = (conv.kernel * conv.kernel * input.channels) as f64;
                    taps * conv.filters as f64 * area(input)
                }
                Layer::Dense(dense) => (input.channels * dense.units) as f64,
                Layer::SeparableConv(_)
                | Layer::MaxPool(_)
                | Layer::AvgPool(_)
                | Layer::GlobalMaxPool {}
                | Layer::GlobalAvgPool {}
                | Layer::BatchNorm(_)
                | Layer::LayerNorm(_)
                | Layer::GroupNorm(_)
                | Layer::Dropout(_)
                | Layer::SpatialDropout(_)
                | Layer::Flatten {}
                | Layer::Reshape(_)
                | Layer::Upsample(_)
                | Layer::Activation(_)
                | Layer::Residual(_)
                | Layer::Concat(_)
                | Layer::SqueezeExcite(_)
                | Layer::InvertedResidual(_)
                | Layer::Normalize(_) => 0.0,
            };
            sum += 2.0 * products;
        });
        sum
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
        let mut widest = 0;
        self.visit(&mut |_, input, output| {
            widest = widest.max((input.len() + output.len()) as u64);
        });
        widest * NUMBER
    }

    /// Returns the bytes of one example and of every layer's output for it, which training keeps for the
    /// backward pass. An activation that is not part of its layer keeps the layer's output before it, too.
    pub fn activation_bytes(&self) -> u64 {
        let mut values = self.input.len() as u64;
        self.visit(&mut |layer, _, output| {
            let kept = match layer.separate_activation() {
                Some(_) => 2,
                None => 1,
            };
            values += kept * output.len() as u64;
        });
        values * NUMBER
    }

    /// Returns the bytes of the stored weights.
    pub fn state_bytes(&self) -> u64 {
        self.state_len() * NUMBER
    }

    /// Calls `visit` for every layer, also those inside of layers, with its input and output.
    fn visit(&self, visit: &mut impl FnMut(&Layer, Feature, Feature)) {
        visit_chain(&self.layers, self.input, visit);
    }
}

fn visit_chain(layers: &[Layer], input: Feature, visit: &mut impl FnMut(&Layer, Feature, Feature)) {
    let mut input = input;
    for layer in layers {
        let output = layer.output(input);
        visit(layer, input, output);
        for chain in layer
            .inner(input)
            .into_iter()
            .flat_map(|inner| inner.chains)
        {
            visit_chain(&chain.layers, input, visit);
        }
        input = output;
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
