//! Training a generator and a discriminator against each other.

mod adversaries;
mod course;

pub use adversaries::{Adversaries, GanEpoch, Partial, Settings};
pub(crate) use course::{Course, Wanted, sample_name};
