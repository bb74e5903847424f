//! The learning rate over the epochs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use contract::{Invalid, bare_name};

/// Change of the learning rate from epoch to epoch, as a factor on its first value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(transform = bare_name::allow)]
pub enum Schedule {
    /// No change.
    Constant {},
    /// Multiplied by `factor` after every `every` epochs.
    Step {
        /// Number of epochs between two changes.
        #[schemars(range(min = 1), extend("x-unit" = "epochs"))]
        every: usize,
        /// Factor that the rate is multiplied by.
        #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
        factor: f64,
    },
    /// Half a cosine wave from 1 in the first epoch down to `end` (Loshchilov and Hutter, 2017,
    /// without restarts).
    Cosine {
        /// Factor that the epoch after the last one would have.
        #[serde(default)]
        #[schemars(range(min = 0, max = 1))]
        end: f64,
    },
}

impl Schedule {
    pub fn check(&self) -> Result<(), Invalid> {
        match *self {
            Self::Constant {} => Ok(()),
            Self::Step { every, factor } => {
                if every == 0 {
                    return Err(Invalid::new("`every` is 0; it must be at least 1 epoch")
                        .under("every")
                        .under("step"));
                }
                if !(factor > 0.0 && factor <= 1.0) {
                    let message = format!("`factor` is {factor}; it must be above 0 and at most 1");
                    return Err(Invalid::new(message).under("factor").under("step"));
                }
                Ok(())
            }
            Self::Cosine { end } if (0.0..=1.0).contains(&end) => Ok(()),
            Self::Cosine { end } => Err(Invalid::new(format!(
                "`end` is {end}; it must be between 0 and 1"
            ))
            .under("end")
            .under("cosine")),
        }
    }

    /// Returns the factor in epoch `epoch` (from 0) of `epochs`.
    pub fn factor(&self, epoch: usize, epochs: usize) -> f64 {
        match *self {
            Self::Constant {} => 1.0,
            Self::Step { every, factor } => factor.powi((epoch / every) as i32),
            Self::Cosine { end } => {
                let progress = epoch as f64 / epochs as f64;
                end + (1.0 - end) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
        }
    }
}

/// Returns the factor on the learning rate in step `step` (from 0) of a training that begins with `warmup` epochs of
/// `steps` steps each. In step t of n steps of warmup, it is (t + 1) / n.
pub(super) fn warmup_factor(warmup: Option<f64>, step: u64, steps: usize) -> f64 {
    warmup.map_or(1.0, |epochs| {
        ((step + 1) as f64 / (epochs * steps as f64)).min(1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::{Schedule, warmup_factor};

    #[test]
    fn the_rate_rises_by_equal_amounts_during_warmup() {
        let factors = |warmup| [0, 1, 2, 3, 4, 5].map(|step| warmup_factor(warmup, step, 2));
        assert_eq!(factors(None), [1.0; 6]);
        assert_eq!(factors(Some(2.0)), [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
        assert_eq!(factors(Some(1.25)), [0.4, 0.8, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(factors(Some(1e-9)), [1.0; 6]);
    }

    fn factors(schedule: Schedule) -> Vec<f64> {
        (0..5)
            .map(|epoch| (schedule.factor(epoch, 5) * 1e6).round() / 1e6)
            .collect()
    }

    #[test]
    fn factors_by_epoch() {
        assert_eq!(factors(Schedule::Constant {}), [1.0; 5]);
        assert_eq!(
            factors(Schedule::Step {
                every: 2,
                factor: 0.5
            }),
            [1.0, 1.0, 0.5, 0.5, 0.25]
        );
        assert_eq!(
            factors(Schedule::Cosine { end: 0.0 }),
            [1.0, 0.904508, 0.654508, 0.345492, 0.095492]
        );
        assert_eq!(Schedule::Cosine { end: 0.1 }.factor(0, 1), 1.0);
    }
}
