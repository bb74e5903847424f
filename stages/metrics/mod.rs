//! Measures of a classifier's predictions.
//!
//! Pure functions, of three kinds: of decisions ([`Confusion`]), of the ranking of the scores of a
//! positive class ([`Ranking`], [`roc_auc`], [`average_precision`]) and of probabilities
//! ([`brier_score`], [`log_loss`]). [`measure`] computes all of them with bootstrap intervals.
//!
//! No measure is ever NaN. A ratio 0/0 (the precision where nothing was predicted positive) is 0, as
//! with scikit-learn's `zero_division=0`; a measure without any meaning (the ROC AUC where only one
//! class occurs) is `None`, and absent from a table of metrics.

mod bootstrap;
mod confusion;
mod loss;
mod measure;
mod ranking;
mod threshold;

pub use confusion::Confusion;
pub use loss::{brier_score, log_loss};
pub use measure::{Decision, Predictions, measure};
pub use ranking::{Ranking, average_precision, roc_auc};
pub use threshold::{f1_threshold, youden_threshold};
