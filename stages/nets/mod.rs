//! Builds networks from lists of layers, and reads and writes trained ones.

mod architecture;
mod calibration;
mod classifier;
mod cost;
mod generator;
mod initializer;
mod layer;
mod network;
mod parameters;
mod shape;
mod statistics;
mod warnings;
mod weights;

pub use architecture::{Architecture, check_layers};
pub use calibration::Calibration;
pub use classifier::{Classifier, ClassifierCard, Head, load_weights, predict};
pub use generator::{Drawing, Generator, GeneratorCard, draw, latent};
pub use initializer::Initializer;
pub use layer::Layer;
pub use network::{Mode, Network};
pub use shape::Feature;
pub use statistics::estimate_statistics;
pub use warnings::output_warning;
pub use weights::{read_weights, write_weights};
