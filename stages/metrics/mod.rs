//! Measures of a classifier's predictions.
//!
//! These are pure functions of three kinds: measures of decisions ([`Confusion`]), of the ranking by the
//! scores of a positive class ([`Ranking`], [`roc_auc`], [`average_precision`]), and of probabilities
//! ([`brier_score`], [`log_loss`], [`Ordered`] for their calibration). [`measure`] computes all of them with bootstrap intervals.
//!
//! Several results are described by their [`spread`] over seeds, or by [`Resampled`] values over seeds and test images.
//! Two classifiers on the same images are compared by the difference of their [`Resampled`] values, and by McNemar's
//! test of their mistakes ([`mcnemar`]) or DeLong's test of their areas ([`Placements`]). [`holm`] corrects for multiple tests.
//!
//! No measure is ever NaN. A measure that is undefined for the examples is `None`, and `null` in `metrics.json`: a
//! ratio 0/0 (the precision if nothing was predicted positive), or the ROC AUC if only one class occurs.
//! scikit-learn gives 0 for such a ratio.

mod bins;
mod bootstrap;
mod confusion;
mod declared;
mod holm;
mod homogeneity;
mod logistic;
mod loss;
mod mcnemar;
mod measure;
mod net_benefit;
mod odds;
mod placements;
mod predictions;
mod ranking;
mod resampled;
mod root;
mod scored;
mod spread;
mod threshold;
mod units;
mod wilson;

pub use bins::{BINS, BrierParts, Ordered};
pub use bootstrap::{Bootstrap, Interval, intervals};
pub use confusion::{Confusion, quotient};
pub use declared::{METRICS, Measure, NamedMeasure, SUPPORT};
pub use holm::holm;
pub use homogeneity::{equal_estimates, equal_shares};
pub use logistic::{Examples, Line};
pub use loss::{brier_score, log_loss};
pub use mcnemar::{mcnemar, mcnemar_of_counts};
pub use measure::{measure, measure_calibration};
pub use net_benefit::{net_benefits, shifted};
pub use odds::{log, log_odds};
pub use placements::Placements;
pub use predictions::{Decision, Predictions};
pub use ranking::{Ranking, average_precision, roc_auc};
pub use resampled::{Resampled, Tested};
pub use root::root;
pub use scored::Scored;
pub use spread::spread;
pub use threshold::{Chosen, Criterion};
pub use units::Units;
pub use wilson::{wilson, wilson_of};
