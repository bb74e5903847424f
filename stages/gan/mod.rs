//! Trains a generator and a discriminator against each other.

mod adversaries;
mod course;
mod epoch;

pub(crate) use adversaries::Losses;
pub use adversaries::{Adversaries, Settings};
pub(crate) use course::{Course, Wanted, sample_name};
pub use epoch::{GanEpoch, Partial};
