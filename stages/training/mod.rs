//! Fits a classifier: the code that `train-cnn` and `retrain` share.

mod course;
mod doubt;
mod epoch;
mod examples;
mod fit;
mod history;
mod recipe;
mod schedule;
mod step;
mod stopping;

pub use examples::Examples;
pub use fit::{Fitted, fit};
pub use history::write_history;
pub use recipe::{OptimizerChoice, Recipe};
pub(crate) use step::{Figures, Targets, train_step};
