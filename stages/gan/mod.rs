//! Trains a generator and a discriminator against each other.

mod adversaries;
mod epoch;
mod state;
mod statistics;

pub(crate) use adversaries::Losses;
pub use adversaries::{Adversaries, Settings};
pub use epoch::{GanEpoch, PartialEpoch};
pub(crate) use state::{ResumeTarget, TrainingState, sample_name};
pub(crate) use statistics::estimate;
