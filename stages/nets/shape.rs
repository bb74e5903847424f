//! Computes the shape of each layer's output in a list of layers, and finds layers that do not fit.

use contract::Invalid;

use super::feature::Feature;
use super::layer::{Conv, Inner, Join, Layer, Norm};
use super::window::{MOST, both_positive, convolved, pooled, positive, transposed_padding};

/// Largest number of values that one example may have anywhere in a network. A typing error in a filter count
/// should give an error instead of using up the machine's memory.
const MOST_VALUES: usize = 1 << 28;

/// Largest number of weights that one layer may have, for the same reason.
const MOST_WEIGHTS: usize = 1 << 30;

/// Returns the output of each layer for `input`. The path of an error starts at the layer's index, and its
/// message names the layer.
pub(super) fn shapes(layers: &[Layer], input: Feature) -> Result<Vec<Feature>, Invalid> {
    if input.channels == 0 || input.height == 0 || input.width == 0 {
        return Err(Invalid::new(format!("images of {input} have no pixels")));
    }
    let input = bounded(input).map_err(|error| Invalid {
        message: format!("input: {}", error.message),
        ..error
    })?;
    chain(layers, input)
}

/// Returns the output of each layer of a chain for `input`. The path of an error starts at the layer's index.
fn chain(layers: &[Layer], input: Feature) -> Result<Vec<Feature>, Invalid> {
    let mut current = input;
    let mut outputs = Vec::with_capacity(layers.len());
    for (index, layer) in layers.iter().enumerate() {
        let output = output(layer, current).and_then(bounded).and_then(|output| {
            few_enough_weights(layer, current)?;
            Ok(output)
        });
        current = output.map_err(|error| {
            let message = format!(
                "layer {} (`{}`): {}",
                index + 1,
                layer.name(),
                error.message
            );
            Invalid { message, ..error }.under(layer.name()).at(index)
        })?;
        outputs.push(current);
    }
    Ok(outputs)
}

fn bounded(shape: Feature) -> Result<Feature, Invalid> {
    let values = shape
        .channels
        .checked_mul(shape.height)
        .and_then(|v| v.checked_mul(shape.width));
    match values {
        Some(values) if values <= MOST_VALUES => Ok(shape),
        _ => Err(Invalid::new(format!(
            "{shape} has more than {MOST_VALUES} values for one image"
        ))),
    }
}

fn few_enough_weights(layer: &Layer, input: Feature) -> Result<(), Invalid> {
    let few_enough = |len: Option<usize>| len.is_some_and(|len| len <= MOST_WEIGHTS);
    let tensors = layer.tensors(input);
    if tensors.parameters.iter().all(|p| few_enough(p.len())) {
        return Ok(());
    }
    Err(Invalid::new(format!(
        "more than {MOST_WEIGHTS} weights for an input of {input}"
    )))
}

fn output(layer: &Layer, input: Feature) -> Result<Feature, Invalid> {
    match layer {
        Layer::Conv(conv) => convolution(conv, input),
        Layer::DepthwiseConv(conv) => {
            positive("multiplier", conv.multiplier)?;
            let full = conv.conv(input.channels);
            if full.filters > MOST {
                return Err(too_many(conv.multiplier, input).under("multiplier"));
            }
            convolution(&full, input)
        }
        Layer::SeparableConv(conv) => {
            positive("filters", conv.filters)?;
            joined(layer, input)
        }
        Layer::Residual(_) | Layer::Concat(_) => joined(layer, input),
        Layer::SqueezeExcite(gate) => {
            positive("units", gate.units)?;
            joined(layer, input)
        }
        Layer::InvertedResidual(block) => {
            positive("filters", block.filters)?;
            positive("expansion", block.expansion)?;
            if block.inner_channels(input.channels) > MOST {
                return Err(too_many(block.expansion, input).under("expansion"));
            }
            both_positive("kernel", block.kernel)?;
            both_positive("stride", block.stride)?;
            norm(&block.batch_norm).map_err(|error| error.under("batch_norm"))?;
            joined(layer, input)
        }
        Layer::Normalize(constants) => {
            let bounded = |name: &str, values: &[f32], least: f32| {
                let wrong = values.iter().find(|value| !(least..=1e6).contains(*value));
                wrong.map_or(Ok(()), |value| {
                    Err(range(name, *value, &format!("between {least} and 1000000")))
                })
            };
            bounded("mean", &constants.mean, -1e6)?;
            bounded("deviation", &constants.deviation, 1e-6)?;
            match constants.constants(input.channels) {
                Some(_) => Ok(input),
                None => Err(Invalid::new(format!(
                    "`mean` and `deviation` must have one number, or one for each of the {} channels",
                    input.channels
                ))),
            }
        }
        Layer::ConvTranspose(conv) => {
            positive("filters", conv.filters)?;
            positive("kernel", conv.kernel)?;
            positive("stride", conv.stride)?;
            let padding = transposed_padding(conv.padding, conv.kernel, conv.stride)?;
            let size = |side: usize| {
                ((side - 1) * conv.stride + conv.kernel)
                    .checked_sub(2 * padding)
                    .filter(|&size| size > 0)
            };
            match (size(input.height), size(input.width)) {
                (Some(height), Some(width)) => Ok(Feature::new(conv.filters, height, width)),
                _ => Err(
                    Invalid::new(format!("padding {padding} leaves no output for {input}"))
                        .under("padding"),
                ),
            }
        }
        Layer::MaxPool(pool) | Layer::AvgPool(pool) => pooled(pool, input),
        Layer::GlobalMaxPool {} | Layer::GlobalAvgPool {} => Ok(Feature::new(input.channels, 1, 1)),
        Layer::BatchNorm(constants) => {
            norm(constants)?;
            Ok(input)
        }
        Layer::LayerNorm(norm) => {
            small_positive("epsilon", norm.epsilon)?;
            Ok(input)
        }
        Layer::GroupNorm(norm) => {
            small_positive("epsilon", norm.epsilon)?;
            in_groups(norm.groups, input)?;
            Ok(input)
        }
        Layer::Dropout(rate) | Layer::SpatialDropout(rate) if !(0.0..1.0).contains(rate) => {
            Err(Invalid::new(format!(
                "the rate is {rate}; it must be at least 0 and below 1"
            )))
        }
        Layer::Dropout(_) | Layer::SpatialDropout(_) | Layer::Activation(_) => Ok(input),
        Layer::Flatten {} => Ok(Feature::new(input.len(), 1, 1)),
        Layer::Dense(dense) => {
            positive("units", dense.units)?;
            at_least_zero("l1", dense.l1)?;
            at_least_zero("l2", dense.l2)?;
            if !input.is_flat() {
                return Err(
                    Invalid::new(format!("takes features, not images of {input}"))
                        .hint("put `flatten` or `global_avg_pool` before it"),
                );
            }
            Ok(Feature::new(dense.units, 1, 1))
        }
        Layer::Reshape(shape) => {
            let (channels, height, width) = (shape.channels, shape.height, shape.width);
            positive("channels", channels)?;
            positive("height", height)?;
            positive("width", width)?;
            let values = channels
                .checked_mul(height)
                .and_then(|v| v.checked_mul(width));
            if values != Some(input.len()) {
                return Err(Invalid::new(format!(
                    "{height}×{width}×{channels} does not have the {} values of the input {input}",
                    input.len()
                )));
            }
            Ok(Feature::new(channels, height, width))
        }
        Layer::Upsample(factor) => {
            if !(1..=64).contains(factor) {
                return Err(Invalid::new(format!(
                    "the factor is {factor}; it must be between 1 and 64"
                )));
            }
            Ok(Feature::new(
                input.channels,
                input.height * factor,
                input.width * factor,
            ))
        }
    }
}

fn norm(norm: &Norm) -> Result<(), Invalid> {
    if !(0.0..1.0).contains(&norm.momentum) {
        return Err(range("momentum", norm.momentum, "at least 0 and below 1"));
    }
    small_positive("epsilon", norm.epsilon)
}

/// Returns the error about a number of outputs for each channel of `input`.
fn too_many(times: usize, input: Feature) -> Invalid {
    Invalid::new(format!(
        "{times} for each of {} channels makes more than {MOST} channels",
        input.channels
    ))
}

fn convolution(conv: &Conv, input: Feature) -> Result<Feature, Invalid> {
    positive("filters", conv.filters)?;
    at_least_zero("l1", conv.l1)?;
    at_least_zero("l2", conv.l2)?;
    in_groups(conv.groups, input)?;
    if !conv.filters.is_multiple_of(conv.groups) {
        return Err(Invalid::new(format!(
            "{} filters cannot be divided into {} groups of equal size",
            conv.filters, conv.groups
        ))
        .under("groups"));
    }
    convolved(conv, input)
}

/// Checks that the channels of `input` can be divided into groups of equal size.
fn in_groups(groups: usize, input: Feature) -> Result<(), Invalid> {
    positive("groups", groups)?;
    if input.channels.is_multiple_of(groups) {
        return Ok(());
    }
    Err(Invalid::new(format!(
        "the input has {} channels, which cannot be divided into {groups} groups of equal size",
        input.channels
    ))
    .under("groups"))
}

/// Returns the output of a layer that contains layers.
fn joined(layer: &Layer, input: Feature) -> Result<Feature, Invalid> {
    let Inner { join, chains } = layer.inner(input).expect("it contains layers");
    let mut outputs = Vec::with_capacity(chains.len());
    for (index, inner) in chains.iter().enumerate() {
        let ends = chain(&inner.layers, input).map_err(|error| match layer {
            Layer::Residual(residual) if residual.shortcut.is_empty() => error,
            Layer::Residual(_) if index == 0 => error.under("layers"),
            Layer::Residual(_) => error.under("shortcut"),
            Layer::Concat(_) => error.at(index),
            // These layers are not written in the pipeline.
            _ => Invalid {
                path: Vec::new(),
                ..error
            },
        })?;
        outputs.push(ends.last().copied().unwrap_or(input));
    }
    let [first, ..] = outputs[..] else {
        return Err(Invalid::new("it needs at least one list of layers"));
    };
    match join {
        Join::Only => Ok(first),
        Join::Scale => Ok(input),
        Join::Add if outputs[1] == first => Ok(first),
        Join::Add => Err(Invalid::new(format!(
            "the layers give {first}, which cannot be added to {}",
            outputs[1]
        ))
        .hint("give it a `shortcut` of layers with the same output, such as a `conv` with `kernel: 1`")),
        Join::Concat => {
            let sizes = |feature: &Feature| (feature.height, feature.width);
            match outputs.iter().find(|output| sizes(output) != sizes(&first)) {
                Some(other) => Err(Invalid::new(format!(
                    "the channels of {first} and of {other} cannot be put one after the other"
                ))
                .hint("all lists must give images of the same height and width")),
                None => {
                    let channels = outputs.iter().map(|output| output.channels).sum();
                    Ok(Feature::new(channels, first.height, first.width))
                }
            }
        }
    }
}

fn small_positive(name: &str, value: f32) -> Result<(), Invalid> {
    if value > 0.0 && value <= 1.0 {
        return Ok(());
    }
    Err(range(name, value, "above 0 and at most 1"))
}

impl Layer {
    /// Returns the output of a layer of an architecture for its input.
    ///
    /// # Panics
    /// If the layer does not fit, which [`Architecture::new`](super::Architecture::new) would have refused.
    pub fn output(&self, input: Feature) -> Feature {
        output(self, input).expect("layers are checked on creation")
    }
}

fn at_least_zero(name: &str, value: f32) -> Result<(), Invalid> {
    if value >= 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(range(name, value, "at least 0"))
    }
}

fn range(name: &str, value: f32, allowed: &str) -> Invalid {
    Invalid::new(format!("`{name}` is {value}; it must be {allowed}")).under(name)
}

#[cfg(test)]
mod tests {
    use contract::Segment;
    use serde_json::json;

    use super::*;

    fn layers(value: serde_json::Value) -> Vec<Layer> {
        serde_json::from_value(value).expect("layers")
    }

    #[test]
    fn every_layer_has_its_shape() {
        let layers = layers(json!([
            { "conv": { "filters": 8 } },
            { "max_pool": 2 },
            { "conv": { "filters": 4, "kernel": 4, "stride": 2 } },
            { "conv_transpose": { "filters": 2 } },
            { "upsample": 2 },
            { "avg_pool": { "kernel": 3, "stride": 2 } },
            "flatten",
            { "reshape": { "channels": 2, "height": 13, "width": 13 } },
            { "conv": { "filters": 6, "kernel": [3, 5], "stride": [1, 2], "dilation": [2, 1], "groups": 2, "padding": "valid" } },
            { "depthwise_conv": { "multiplier": 2, "stride": 2 } },
            { "separable_conv": { "filters": 4 } },
            { "residual": { "layers": [{ "conv": { "filters": 8, "stride": 2 } }], "shortcut": [{ "conv": { "filters": 8, "kernel": [1, 1], "stride": [2, 2] } }] } },
            { "concat": [[], [{ "conv": { "filters": 3 } }], ["batch_norm"]] },
            { "squeeze_excite": { "units": 2 } },
            { "inverted_residual": { "filters": 19, "expansion": 2 } },
            { "normalize": { "mean": [0.5], "deviation": [0.25] } },
            "layer_norm",
            { "group_norm": { "groups": 19 } },
            "global_max_pool",
            "global_avg_pool",
            { "dense": { "units": 1 } },
        ]));
        let expected = [
            Feature::new(8, 29, 29),
            Feature::new(8, 14, 14),
            Feature::new(4, 7, 7),
            Feature::new(2, 14, 14),
            Feature::new(2, 28, 28),
            Feature::new(2, 13, 13),
            Feature::new(338, 1, 1),
            Feature::new(2, 13, 13),
            Feature::new(6, 9, 5),
            Feature::new(12, 5, 3),
            Feature::new(4, 5, 3),
            Feature::new(8, 3, 2),
            Feature::new(19, 3, 2),
            Feature::new(19, 3, 2),
            Feature::new(19, 3, 2),
            Feature::new(19, 3, 2),
            Feature::new(19, 3, 2),
            Feature::new(19, 3, 2),
            Feature::new(19, 1, 1),
            Feature::new(19, 1, 1),
            Feature::new(1, 1, 1),
        ];
        assert_eq!(
            shapes(&layers, Feature::new(3, 29, 29)).expect("shapes"),
            expected
        );
    }

    #[test]
    fn an_error_names_the_layer_and_leads_to_it() {
        let pools = layers(json!([{ "max_pool": 2 }, { "max_pool": 2 }, { "max_pool": 2 }]));
        let error = shapes(&pools, Feature::new(1, 5, 5)).expect_err("1×1 cannot be pooled");
        assert_eq!(
            error.message,
            "layer 3 (`max_pool`): a window of 2×2 does not fit into 1×1"
        );
        assert_eq!(
            error.path,
            [Segment::Index(2), Segment::Key("max_pool".into())]
        );

        let error = shapes(
            &layers(json!([{ "dense": { "units": 1 } }])),
            Feature::new(1, 5, 5),
        );
        assert_eq!(
            error.expect_err("not flat").message,
            "layer 1 (`dense`): takes features, not images of 5×5×1"
        );

        let error = shapes(
            &layers(json!([{ "conv": { "filters": 0 } }])),
            Feature::new(1, 5, 5),
        );
        let path = error.expect_err("no filters").path;
        assert_eq!(
            path[1..],
            [Segment::Key("conv".into()), Segment::Key("filters".into())]
        );
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let huge = layers(json!([{ "conv": { "filters": 1000000 } }]));
        assert!(shapes(&huge, Feature::new(1, 64, 64)).is_err());
        // The outputs of these layers are small, but their weights are not.
        for weights in [
            json!([{ "conv": { "filters": 1, "kernel": 1_000_001 } }]),
            json!(["flatten", { "dense": { "units": 1_000_000 } }, { "dense": { "units": 1_000_000 } }]),
        ] {
            let error = shapes(&layers(weights), Feature::new(1, 64, 64)).expect_err("absurd");
            assert!(
                error.message.contains("more than 1073741824 weights"),
                "{error}"
            );
        }
        let nothing = layers(json!(["flatten"]));
        assert!(shapes(&nothing, Feature::new(1, 0, 4)).is_err());
        assert!(shapes(&nothing, Feature::new(usize::MAX, 2, 2)).is_err());
    }
}
