//! The layers of a network as they are computed after training, with their weights.

use std::path::Path;

use contract::Failure;

use crate::nets::{Architecture, Feature, Inner, Join, Layer, read_tensors};

/// A tensor of a layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Weights {
    /// Its name in the file of weights.
    pub(super) name: String,
    pub(super) dimensions: Vec<usize>,
    pub(super) values: Vec<f32>,
}

/// A layer with its name in the file of weights (`0.conv`), the shapes that it takes and gives, and its tensors in the
/// order of the format: `weight` and `bias`, or `scale`, `shift`, `mean` and `variance`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Computed {
    pub(super) name: String,
    pub(super) layer: Layer,
    pub(super) input: Feature,
    pub(super) output: Feature,
    pub(super) tensors: Vec<Weights>,
    /// The layers inside of it, if there are any.
    pub(super) inner: Option<(Join, Vec<Vec<Computed>>)>,
}

/// Returns the layers of `architecture` that do something after training, with the weights in the file at `path`.
pub(super) fn computed(architecture: &Architecture, path: &Path) -> Result<Vec<Computed>, Failure> {
    let mut tensors: Vec<Weights> = read_tensors(architecture, path)?
        .into_iter()
        .map(|(tensor, values)| Weights {
            name: tensor.name,
            dimensions: tensor.dimensions,
            values,
        })
        .collect();
    let layers = architecture.computed_layers();
    Ok(chain(layers, architecture.input, "", &mut tensors))
}

/// Returns the layers of a chain. Their names begin with `owner`; their tensors are taken from `tensors`.
fn chain(
    layers: Vec<Layer>,
    input: Feature,
    owner: &str,
    tensors: &mut Vec<Weights>,
) -> Vec<Computed> {
    let (mut computed, mut input) = (Vec::new(), input);
    for (index, layer) in layers.into_iter().enumerate() {
        let name = format!("{owner}{index}.{}", layer.name());
        let output = layer.output(input);
        match layer.inner(input) {
            Some(Inner { join, chains }) => {
                let mut chains: Vec<Vec<Computed>> = chains
                    .into_iter()
                    .map(|inner| {
                        let owner = format!("{name}.{}", inner.name);
                        chain(inner.layers, input, &owner, tensors)
                    })
                    .collect();
                if join == Join::Only {
                    computed.append(&mut chains[0]);
                } else {
                    computed.push(Computed {
                        name,
                        layer,
                        input,
                        output,
                        tensors: Vec::new(),
                        inner: Some((join, chains)),
                    });
                }
            }
            None if matches!(layer, Layer::Dropout(_) | Layer::SpatialDropout(_)) => {}
            None => {
                let owner = format!("{name}.");
                let own = tensors.extract_if(.., |tensor| tensor.name.starts_with(&owner));
                computed.push(Computed {
                    tensors: own.collect(),
                    name,
                    layer,
                    input,
                    output,
                    inner: None,
                });
            }
        }
        input = output;
    }
    computed
}

/// Removes each `batch_norm` that directly follows a convolution or dense layer without activation, and changes the
/// weights of that layer so that it computes both. Products are rounded once, so results differ in the last bits.
pub(super) fn fold_batch_norm(layers: Vec<Computed>) -> Vec<Computed> {
    let mut folded: Vec<Computed> = Vec::new();
    for mut layer in layers {
        if let Some((join, chains)) = layer.inner {
            let chains = chains.into_iter().map(fold_batch_norm);
            layer.inner = Some((join, chains.collect()));
        }
        match (folded.last_mut(), &layer.layer) {
            (Some(before), Layer::BatchNorm(norm)) if is_affine(&before.layer) => {
                scale(before, &layer.tensors, norm.epsilon);
            }
            _ => folded.push(layer),
        }
    }
    folded
}

/// Returns `true` if the output of `layer` is a sum of its inputs times its weights, plus its bias.
fn is_affine(layer: &Layer) -> bool {
    let has_weights = matches!(
        layer,
        Layer::Conv(_) | Layer::DepthwiseConv(_) | Layer::ConvTranspose(_) | Layer::Dense(_)
    );
    has_weights && layer.activation() == Some(ops::Activation::Linear)
}

/// Multiplies the outputs of `layer` by scale / √(variance + epsilon), and shifts them, as the `norm` after it does.
fn scale(layer: &mut Computed, norm: &[Weights], epsilon: f32) {
    let [gain, shift, mean, variance] = [0, 1, 2, 3].map(|place| norm[place].values.as_slice());
    let factor = |channel: usize| {
        f64::from(gain[channel]) / (f64::from(variance[channel]) + f64::from(epsilon)).sqrt()
    };
    // The dimension of a weight that counts the outputs.
    let outputs = match layer.layer {
        Layer::ConvTranspose(_) => 1,
        _ => 0,
    };
    if layer.tensors.len() == 1 {
        layer.tensors.push(Weights {
            name: format!("{}.bias", layer.name),
            dimensions: vec![gain.len()],
            values: vec![0.0; gain.len()],
        });
    }
    let [weight, bias] = layer.tensors.as_mut_slice() else {
        return;
    };
    let inner: usize = weight.dimensions[outputs + 1..].iter().product();
    let channels = weight.dimensions[outputs];
    for (place, value) in weight.values.iter_mut().enumerate() {
        *value = (f64::from(*value) * factor(place / inner % channels)) as f32;
    }
    for (channel, value) in bias.values.iter_mut().enumerate() {
        let centered = f64::from(*value) - f64::from(mean[channel]);
        *value = (centered * factor(channel) + f64::from(shift[channel])) as f32;
    }
}
