//! Fits a classifier: the code that `train-cnn` and `retrain` share.

mod calibration;
mod epoch;
mod examples;
mod features;
mod fit;
mod history;
mod mixing;
mod recipe;
mod schedule;
mod state;
mod statistics;
mod step;
mod stopping;
#[cfg(test)]
mod testing;
mod updater;
mod validation;
mod warnings;

pub use examples::Examples;
pub use fit::{Fitted, fit};
pub use history::{HISTORY_METRICS, VALIDATION_INPUT, write_history};
pub use recipe::{OptimizerChoice, Recipe};
pub(crate) use step::{StepResults, Targets, train_step};
