//! Training a generator and a discriminator against each other.

mod adversaries;

pub use adversaries::{Adversaries, GanEpoch, Settings};
