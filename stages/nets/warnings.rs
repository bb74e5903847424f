//! Finds output layers with which a network cannot tell its classes apart.

use contract::Invalid;
use ops::Activation;

use super::classifier::Head;
use super::layer::Layer;

/// Returns a warning if an activation limits the range of a network's scores. This also limits the range of the
/// probabilities that sigmoid or softmax computes from them.
pub fn output_warning(layers: &[Layer], head: Head) -> Option<Invalid> {
    let (index, layer) = last_to_bound(layers)?;
    let activation = layer.activation()?;
    let (low, high) = bounds(activation)?;
    let sigmoid = |score: f32| 1.0 / (1.0 + (-score).exp());
    let effect = match head {
        Head::Sigmoid if high == f32::INFINITY => {
            format!("its probabilities are never below {:.2}", sigmoid(low))
        }
        Head::Sigmoid => format!(
            "its probabilities are always between {:.2} and {:.2}",
            sigmoid(low),
            sigmoid(high)
        ),
        Head::Softmax(_) if high == f32::INFINITY => {
            format!("classes with a score of {low} cannot be told apart, and are hardly learned")
        }
        Head::Softmax(classes) => {
            let power = (high - low).exp();
            let highest = power / (power + (classes - 1) as f32);
            format!("no class ever has a probability above {highest:.2}")
        }
    };
    let message = format!(
        "the network's scores go through `{}`, so {effect}",
        name(activation)
    );
    let warning = Invalid::new(message).hint(
        "give the last layer `activation: linear`: sigmoid or softmax is applied automatically",
    );
    let is_the_layer = matches!(layer, Layer::Activation(_));
    let warning = if is_the_layer {
        warning
    } else {
        warning.under("activation")
    };
    Some(warning.under(layer.name()).at(index))
}

/// Returns the layer whose activation determines which values the output can have. The layers after it keep
/// values within that range.
fn last_to_bound(layers: &[Layer]) -> Option<(usize, &Layer)> {
    let mut from_the_end = layers.iter().enumerate().rev();
    from_the_end.find(|(_, layer)| match layer {
        Layer::MaxPool(_)
        | Layer::AvgPool(_)
        | Layer::GlobalMaxPool {}
        | Layer::GlobalAvgPool {}
        | Layer::Dropout(_)
        | Layer::SpatialDropout(_)
        | Layer::Flatten {}
        | Layer::Reshape(_)
        | Layer::Upsample(_)
        | Layer::Activation(Activation::Linear) => false,
        Layer::Conv(_)
        | Layer::DepthwiseConv(_)
        | Layer::SeparableConv(_)
        | Layer::ConvTranspose(_)
        | Layer::BatchNorm(_)
        | Layer::LayerNorm(_)
        | Layer::GroupNorm(_)
        | Layer::Dense(_)
        | Layer::Activation(_)
        | Layer::Residual(_)
        | Layer::Concat(_)
        | Layer::SqueezeExcite(_)
        | Layer::InvertedResidual(_)
        | Layer::Normalize(_) => true,
    })
}

/// Returns the lowest and the highest value of an activation; `None` if it has no lowest value.
fn bounds(activation: Activation) -> Option<(f32, f32)> {
    match activation {
        Activation::Linear | Activation::LeakyRelu => None,
        Activation::Relu => Some((0.0, f32::INFINITY)),
        Activation::Elu => Some((-1.0, f32::INFINITY)),
        Activation::Sigmoid => Some((0.0, 1.0)),
        Activation::Tanh => Some((-1.0, 1.0)),
        Activation::Relu6 => Some((0.0, 6.0)),
        Activation::HardSigmoid => Some((0.0, 1.0)),
        // The minima are at −1.2785, −0.7518 and −1.5.
        Activation::Silu => Some((-0.278_464_55, f32::INFINITY)),
        Activation::Gelu => Some((-0.169_971_2, f32::INFINITY)),
        Activation::HardSwish => Some((-0.375, f32::INFINITY)),
    }
}

fn name(activation: Activation) -> &'static str {
    match activation {
        Activation::Linear => "linear",
        Activation::Relu => "relu",
        Activation::LeakyRelu => "leaky_relu",
        Activation::Elu => "elu",
        Activation::Sigmoid => "sigmoid",
        Activation::Tanh => "tanh",
        Activation::Relu6 => "relu6",
        Activation::HardSigmoid => "hard_sigmoid",
        Activation::Silu => "silu",
        Activation::Gelu => "gelu",
        Activation::HardSwish => "hard_swish",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn warning(layers: Value, head: Head) -> Option<Invalid> {
        let layers: Vec<Layer> = serde_json::from_value(layers).unwrap();
        output_warning(&layers, head)
    }

    #[test]
    fn confined_scores_give_a_warning_whatever_layers_follow() {
        for (layers, head, message) in [
            (
                json!([{ "dense": { "units": 1, "activation": "relu" } }]),
                Head::Sigmoid,
                "go through `relu`, so its probabilities are never below 0.50",
            ),
            (
                json!([{ "dense": { "units": 1 } }, { "activation": "tanh" }, { "dropout": 0.5 }]),
                Head::Sigmoid,
                "go through `tanh`, so its probabilities are always between 0.27 and 0.73",
            ),
            // The default activation of a convolution.
            (
                json!([{ "conv": { "filters": 3 } }, "global_avg_pool"]),
                Head::Softmax(3),
                "go through `relu`, so classes with a score of 0 cannot be told apart",
            ),
            (
                json!([{ "dense": { "units": 1, "activation": "hard_swish" } }]),
                Head::Sigmoid,
                "go through `hard_swish`, so its probabilities are never below 0.41",
            ),
            (
                json!([{ "dense": { "units": 3, "activation": "sigmoid" } }]),
                Head::Softmax(3),
                "go through `sigmoid`, so no class ever has a probability above 0.58",
            ),
        ] {
            let found = warning(layers.clone(), head);
            assert!(
                found.as_ref().is_some_and(|d| d.message.contains(message)),
                "{layers}: {found:?}"
            );
        }
    }

    #[test]
    fn unconfined_scores_give_no_warning() {
        for layers in [
            json!([{ "dense": { "units": 1 } }]),
            json!([{ "dense": { "units": 1, "activation": "leaky_relu" } }]),
            json!([{ "dense": { "units": 1, "activation": "relu" } }, "batch_norm"]),
            json!([{ "dense": { "units": 9, "activation": "relu" } }, { "dense": { "units": 1 } }]),
            json!([{ "activation": "relu" }, { "conv": { "filters": 1, "activation": "linear" } }, { "activation": "linear" }]),
        ] {
            assert_eq!(warning(layers.clone(), Head::Sigmoid), None, "{layers}");
        }
    }
}
