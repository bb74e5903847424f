//! Resources that a stage will need, as far as its parameters and the shapes of its inputs determine them.

use std::collections::BTreeMap;

use super::Signature;

/// Name of the file with all images of a dataset artifact, one byte per value. Its size and the shape of an
/// image give the number of images.
pub const IMAGES_FILE: &str = "images.bin";

/// Known properties of an input that may not exist yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    pub signature: Signature,
    /// Number of images, if the input is a dataset and the number is known.
    pub images: Option<u64>,
}

/// Resources that a stage will need. Unknown values are left out; nothing here is a guess.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Work {
    pub amount: Option<Amount>,
    /// Number of weights that a training adjusts.
    pub parameters: Option<u64>,
    pub memory: Option<Memory>,
    /// Lower bound of the bytes in the outputs, without files that they share with an input.
    pub output_bytes: Option<u64>,
    /// Number of images in the dataset of each output port.
    pub images: BTreeMap<String, u64>,
}

/// Amount of work, in a unit to which the running time is proportional.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amount {
    /// For a training, the floating point operations of all its epochs.
    pub count: f64,
    /// Name of the unit, such as `training`. Amounts with the same name are done at the same rate.
    pub unit: &'static str,
}

/// Memory in bytes that a stage needs for itself, without files that it maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// With less, the stage is certain to fail.
    pub least: u64,
    /// Memory in use at the end if nothing is freed earlier.
    pub likely: u64,
}
