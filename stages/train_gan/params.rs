//! [`TrainGan`]: the parameters of the kind `train-gan`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::initial::Initial;
use crate::nets::{Initializer, Layer, LayerNumbers, LayerRate};

/// The parameters of `train-gan`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainGan {
    /// The class to imitate.
    pub(super) class: String,
    /// Layers from `latent` features to an image. The last one must end in `tanh`. After training, the means and
    /// variances by which `batch_norm` normalizes are estimated over as many generated images as an epoch has. Sample
    /// grids of earlier epochs are drawn with running statistics.
    pub(super) generator: Vec<Layer>,
    /// Layers from an image to one score, which tells real images from generated ones.
    pub(super) discriminator: Vec<Layer>,
    /// Length of a noise vector.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 10_000), extend("x-unit" = "features"))]
    pub(super) latent: usize,
    /// Distribution from which the initial weights are drawn.
    #[serde(default = "dcgan")]
    pub(super) initializer: Initializer,
    /// How the generator's weights are found in those that it starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) initial: Option<Initial>,
    /// How the discriminator's weights are found in those that it starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) initial_discriminator: Option<Initial>,
    /// Layers of the generator that keep their weights and the statistics of `batch_norm`.
    #[serde(default, skip_serializing_if = "LayerNumbers::is_empty")]
    #[schemars(extend("default" = []))]
    pub(super) freeze: LayerNumbers,
    /// Layers of the discriminator that keep them. Freezing the first ones is the baseline FreezeD (Mo et al., 2020).
    #[serde(default, skip_serializing_if = "LayerNumbers::is_empty")]
    #[schemars(extend("default" = []))]
    pub(super) freeze_discriminator: LayerNumbers,
    /// Factors on the learning rate of layers of the generator. If several have a layer, the first one counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = []))]
    pub(super) layer_rates: Vec<LayerRate>,
    /// Factors on the learning rate of layers of the discriminator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = []))]
    pub(super) layer_rates_discriminator: Vec<LayerRate>,
    /// Number of passes over the images.
    #[serde(default = "two_hundred")]
    #[schemars(range(min = 1, max = 100_000))]
    pub(super) epochs: usize,
    /// Images per training step. Images of an epoch that do not fill a batch are left out.
    #[serde(default = "sixty_four")]
    #[schemars(range(min = 2, max = 65_536), extend("x-unit" = "images"))]
    pub(super) batch_size: usize,
    /// Learning rate of both networks.
    #[serde(default = "learning_rate")]
    #[schemars(range(max = 10), extend("exclusiveMinimum" = 0))]
    pub(super) learning_rate: f64,
    /// Adam's decay rate of the first moment.
    #[serde(default = "beta1")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub(super) beta1: f64,
    /// Adam's decay rate of the second moment.
    #[serde(default = "beta2")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub(super) beta2: f64,
    /// Target of the discriminator for real images. A value below 1 is one-sided label smoothing (Salimans et
    /// al., 2016).
    #[serde(default = "real_label")]
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0.5))]
    pub(super) real_label: f64,
    /// Number of epochs between two grids of samples. The last epoch always has one.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 100_000), extend("x-unit" = "epochs"))]
    pub(super) sample_every: usize,
}

fn hundred() -> usize {
    100
}
fn dcgan() -> Initializer {
    Initializer::Dcgan
}
fn two_hundred() -> usize {
    200
}
fn sixty_four() -> usize {
    64
}
fn learning_rate() -> f64 {
    2e-4
}
fn beta1() -> f64 {
    0.5
}
fn beta2() -> f64 {
    0.999
}
fn real_label() -> f64 {
    0.9
}
fn twenty() -> usize {
    20
}
