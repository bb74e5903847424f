//! What a stage will take, as far as its parameters and the shapes of its inputs tell.

use std::collections::BTreeMap;

use super::Signature;

/// Name of the file with all the images of a dataset artifact, one byte a value: with the shape of an
/// image, its size tells how many there are.
pub const IMAGES_FILE: &str = "images.bin";

/// What is known of an input before it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    pub signature: Signature,
    /// Images in it, if it is a dataset and this is known.
    pub images: Option<u64>,
}

/// What a stage will take. Whatever is not known is left out; nothing here is a guess.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Work {
    pub amount: Option<Amount>,
    /// Numbers that a training adjusts.
    pub parameters: Option<u64>,
    pub memory: Option<Memory>,
    /// Bytes that the outputs hold at least, without what they share with an input.
    pub output_bytes: Option<u64>,
    /// Images in the dataset of each output port.
    pub images: BTreeMap<String, u64>,
}

/// How much there is to do, in a unit of which the time it takes is a multiple.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amount {
    /// For a training, the floating point operations of all its epochs.
    pub count: f64,
    /// Amounts of one name go at one rate: `training`.
    pub rate: &'static str,
}

/// Bytes of memory that a stage needs for itself, without files that it maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// With less it fails for sure.
    pub least: u64,
    /// What it holds if nothing is given back on the way.
    pub likely: u64,
}
