//! One rung of a race: the trials that were sent to it, and the ranking of those that arrived.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use contract::Direction;

/// A rung of a race in progress.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rung {
    /// The trials that were sent to this rung, with the results of those that arrived.
    sent: BTreeMap<usize, Option<Arrival>>,
    arrived: usize,
    /// The trials with a value, best first. Of equals, the one with the lower number comes first.
    ranked: Vec<Ranked>,
}

/// Value of a trial at a rung; `None` if it failed.
type Arrival = Option<f64>;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Ranked {
    value: f64,
    trial: usize,
    is_promoted: bool,
}

impl Rung {
    pub(super) fn send(&mut self, trial: usize) {
        self.sent.insert(trial, None);
    }

    pub(super) fn arrive(&mut self, trial: usize, value: Option<f64>, direction: Direction) {
        self.sent.insert(trial, Some(value));
        self.arrived += 1;
        if let Some(value) = value {
            let before = |other: &Ranked| {
                let order = compare(other.value, value, direction);
                order.then(other.trial.cmp(&trial)).is_lt()
            };
            let place = self.ranked.partition_point(before);
            let is_promoted = false;
            self.ranked.insert(
                place,
                Ranked {
                    value,
                    trial,
                    is_promoted,
                },
            );
        }
    }

    pub(super) fn promote(&mut self, trial: usize) {
        if let Some(ranked) = self.ranked.iter_mut().find(|ranked| ranked.trial == trial) {
            ranked.is_promoted = true;
        }
    }

    /// Returns the best trial that was not promoted yet, among the top `1 / reduction` of those that arrived.
    pub(super) fn promotable(&self, reduction: u64) -> Option<usize> {
        let quota = self.arrived as u64 / reduction;
        let top = self.ranked.iter().take(quota as usize);
        top.into_iter()
            .find(|ranked| !ranked.is_promoted)
            .map(|ranked| ranked.trial)
    }

    /// Returns the best trial that was not promoted yet.
    pub(super) fn best(&self) -> Option<usize> {
        let mut left = self.ranked.iter().filter(|ranked| !ranked.is_promoted);
        left.next().map(|ranked| ranked.trial)
    }

    /// Returns the result of a trial that was sent to this rung. The inner `None` means that it has not
    /// arrived.
    pub(super) fn of(&self, trial: usize) -> Option<Option<Arrival>> {
        self.sent.get(&trial).copied()
    }

    /// Returns the number of trials that were sent to this rung.
    pub(super) fn sent(&self) -> usize {
        self.sent.len()
    }

    pub(super) fn has_value(&self) -> bool {
        !self.ranked.is_empty()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.arrived == self.sent.len()
    }
}

fn compare(a: f64, b: f64, direction: Direction) -> Ordering {
    match direction {
        Direction::Minimize => a.total_cmp(&b),
        Direction::Maximize => b.total_cmp(&a),
    }
}

#[cfg(test)]
mod tests {
    use contract::Direction;

    use super::Rung;

    fn promoted(direction: Direction) -> Vec<usize> {
        let mut rung = Rung::default();
        for (trial, value) in [(3, Some(1.0)), (0, Some(2.0)), (1, Some(1.0)), (2, None)] {
            rung.send(trial);
            rung.arrive(trial, value, direction);
        }
        let next = || {
            let trial = rung.promotable(2)?;
            rung.promote(trial);
            Some(trial)
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn equal_trials_are_promoted_in_order_and_the_direction_decides_which_is_better() {
        assert_eq!(promoted(Direction::Minimize), [1, 3]);
        assert_eq!(promoted(Direction::Maximize), [0, 1]);
    }
}
