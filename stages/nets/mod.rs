//! Builds networks from lists of layers, and reads and writes trained ones.

mod architecture;
mod calibration;
mod card;
mod classifier;
mod cost;
mod feature;
mod generator;
mod initializer;
mod layer;
mod layer_numbers;
mod layer_rates;
mod network;
mod parameters;
mod shape;
mod statistics;
mod training_images;
mod warnings;
mod weights;
mod window;

pub use architecture::{Architecture, check_layers};
pub use calibration::Calibration;
pub use card::{Format, Preprocessing};
pub use classifier::{
    Classifier, ClassifierCard, Head, MODEL_FILE, WEIGHTS_FILE, load_weights, predict, predict_by,
};
pub use feature::Feature;
pub use generator::{Drawing, GENERATOR_FILE, Generator, GeneratorCard, draw, latent};
pub use initializer::Initializer;
pub use layer::{Conv, Inner, Join, Layer, Normalize, Pool};
pub use layer_numbers::LayerNumbers;
pub use layer_rates::{LayerRate, check_frozen, check_rates, rate_factor};
#[cfg(test)]
pub(crate) use network::tests::{INPUT, networks};
pub use network::{Mode, Network};
pub use parameters::StateTensor;
pub use statistics::estimate_statistics;
pub use training_images::{TrainingImages, Unlike};
pub use warnings::output_warning;
pub use weights::{read_tensors, read_weights, write_weights};
pub use window::{conv_padding, transposed_padding};
