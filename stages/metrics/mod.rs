//! Measures of a classifier's predictions.
//!
//! These are pure functions of three kinds: measures of decisions ([`Confusion`]), of the ranking by the
//! scores of a positive class ([`Ranking`], [`roc_auc`], [`average_precision`]), and of probabilities
//! ([`brier_score`], [`log_loss`]). [`measure`] computes all of them with bootstrap intervals.
//!
//! Several results are compared by their [`spread`] over seeds, the [`paired_difference`] of two classifiers on
//! the same images, and McNemar's test of their mistakes ([`mcnemar`]). [`holm`] corrects for multiple tests.
//!
//! No measure is ever NaN. A ratio 0/0 (the precision if nothing was predicted positive) is 0, as with
//! scikit-learn's `zero_division=0`. A measure that is undefined (the ROC AUC if only one class occurs) is
//! `None`, and absent from a table of metrics.

mod bootstrap;
mod confusion;
mod holm;
mod loss;
mod mcnemar;
mod measure;
mod paired;
mod predictions;
mod ranking;
mod scored;
mod spread;
mod threshold;

pub use confusion::Confusion;
pub use holm::holm;
pub use loss::{brier_score, log_loss};
pub use mcnemar::{mcnemar, mcnemar_of_counts, median_rule};
pub use measure::measure;
pub use paired::{Pair, paired_difference};
pub use predictions::{Decision, Predictions};
pub use ranking::{Ranking, average_precision, roc_auc};
pub use scored::{Measure, Scored};
pub use spread::{p_of_no_mean, spread};
pub use threshold::{f1_threshold, youden_threshold};
