//! Finds the best epoch, and decides when to stop.

use contract::Direction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::history::{EpochRow, Validation};

/// A measure on validation data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Monitor {
    /// Cross-entropy.
    #[default]
    #[serde(rename = "validation_loss")]
    Loss,
    /// Share of images that are classified correctly.
    #[serde(rename = "validation_accuracy")]
    Accuracy,
    /// Area under the ROC curve, for two classes.
    #[serde(rename = "validation_auc")]
    Auc,
}

impl Monitor {
    pub fn direction(self) -> Direction {
        match self {
            Self::Loss => Direction::Minimize,
            Self::Accuracy | Self::Auc => Direction::Maximize,
        }
    }

    /// Returns the measure's value; `None` if it is undefined (the area under the curve of a single class).
    pub fn value(self, validation: &Validation) -> Option<f64> {
        match self {
            Self::Loss => Some(validation.loss),
            Self::Accuracy => Some(validation.accuracy),
            Self::Auc => validation.auc,
        }
    }
}

/// Condition for stopping a training that no longer improves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct EarlyStopping {
    /// Number of epochs without an improvement after which training stops.
    #[schemars(range(min = 1, max = 100_000), extend("x-unit" = "epochs"))]
    pub patience: usize,
    /// A smaller improvement does not renew the patience. The best epoch is the one with the best value in any case,
    /// while `restore_best_weights` of Keras keeps the epoch of the last improvement by more than this.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub min_delta: f64,
}

/// Follows the monitored value over the epochs. Depends only on the history, so that a resumed training
/// decides in the same way as one that was never stopped.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Number (from 1) and value of the best epoch so far.
    pub best: Option<(usize, f64)>,
    /// Number and value of the epoch of the last improvement by `min_delta`, for early stopping.
    improved: Option<(usize, f64)>,
}

impl Progress {
    /// Adds an epoch, and returns whether it is the best so far. Without validation, every epoch is.
    pub(super) fn observe(
        &mut self,
        row: &EpochRow,
        monitor: Monitor,
        stopping: Option<&EarlyStopping>,
    ) -> bool {
        let Some(validation) = &row.validation else {
            return true;
        };
        let Some(value) = monitor.value(validation).filter(|value| value.is_finite()) else {
            return false;
        };
        let better_by = |old: f64, delta: f64| match monitor.direction() {
            Direction::Minimize => value < old - delta,
            Direction::Maximize => value > old + delta,
        };
        let delta = stopping.map_or(0.0, |s| s.min_delta);
        if self.improved.is_none_or(|(_, old)| better_by(old, delta)) {
            self.improved = Some((row.epoch, value));
        }
        let best = self.best.is_none_or(|(_, old)| better_by(old, 0.0));
        if best {
            self.best = Some((row.epoch, value));
        }
        best
    }

    /// Returns whether the patience is exhausted at the end of `epoch`.
    pub(super) fn exhausted(&self, epoch: usize, stopping: Option<&EarlyStopping>) -> bool {
        let last = self.improved.map_or(0, |(epoch, _)| epoch);
        stopping.is_some_and(|stopping| epoch - last >= stopping.patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(epoch: usize, loss: f64) -> EpochRow {
        let validation = Some(Validation {
            loss,
            accuracy: 1.0 - loss,
            auc: Some(loss),
        });
        EpochRow {
            epoch,
            learning_rate: 0.1,
            loss: 0.0,
            accuracy: 0.0,
            validation,
        }
    }

    #[test]
    fn stops_after_patience_and_remembers_the_best() {
        let stopping = EarlyStopping {
            patience: 2,
            min_delta: 0.05,
        };
        let mut progress = Progress::default();
        let mut stopped = None;
        let mut bests = Vec::new();
        for (index, loss) in [0.9, 0.5, 0.47, 0.48, 0.1].into_iter().enumerate() {
            let epoch = index + 1;
            if progress.observe(&row(epoch, loss), Monitor::Loss, Some(&stopping)) {
                bests.push(epoch);
            }
            if progress.exhausted(epoch, Some(&stopping)) {
                stopped = Some(epoch);
                break;
            }
        }
        // 0.47 is the best so far, but no improvement by 0.05, so the patience counts from epoch 2.
        assert_eq!((bests, stopped), (vec![1, 2, 3], Some(4)));
        assert_eq!(progress.best, Some((3, 0.47)));
    }

    #[test]
    fn larger_values_of_a_maximized_monitor_are_better() {
        let mut progress = Progress::default();
        assert!(progress.observe(&row(1, 0.4), Monitor::Auc, None));
        assert!(!progress.observe(&row(2, 0.3), Monitor::Auc, None));
        assert!(progress.observe(&row(3, 0.5), Monitor::Auc, None));
    }
}
