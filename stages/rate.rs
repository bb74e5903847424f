//! [`Rate`]: the images per second that a training shows as progress. Results do not depend on it.

use std::time::Instant;

/// Time after which a step weighs e times less, in seconds.
const MEMORY: f64 = 5.0;
/// Shortest time of a step that is divided by, in seconds.
const SHORTEST: f64 = 1e-9;

/// Mean rate over the last seconds of training. It goes on from one epoch to the next, without the time between them.
pub(crate) struct Rate {
    /// Weighted number of images.
    images: f64,
    /// Weighted time that they took.
    seconds: f64,
    last: Instant,
}

impl Rate {
    pub(crate) fn start() -> Self {
        Self {
            images: 0.0,
            seconds: 0.0,
            last: Instant::now(),
        }
    }

    /// A rate after one step.
    #[cfg(test)]
    pub(crate) fn of_one_step(images: usize, seconds: f64) -> Self {
        let mut rate = Self::start();
        rate.count_in(images, seconds);
        rate
    }

    /// Goes on after something else, whose time does not count: a validation, or a checkpoint.
    pub(crate) fn resume(&mut self) {
        self.last = Instant::now();
    }

    /// Counts a step on this many images, which has taken the time since the last call.
    pub(crate) fn count(&mut self, images: usize) {
        let now = Instant::now();
        self.count_in(images, (now - self.last).as_secs_f64());
        self.last = now;
    }

    fn count_in(&mut self, images: usize, seconds: f64) {
        let weight = (-seconds / MEMORY).exp();
        self.images = self.images * weight + images as f64;
        self.seconds = self.seconds * weight + seconds;
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.images / self.seconds.max(SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(steps: &[(usize, f64)]) -> f64 {
        let mut rate = Rate::start();
        for &(images, seconds) in steps {
            rate.count_in(images, seconds);
        }
        rate.per_second()
    }

    #[test]
    fn one_slow_or_small_step_hardly_changes_the_rate() {
        let steady = vec![(32, 0.1); 100];
        assert!((after(&steady) - 320.0).abs() < 1e-9);
        let one_slow = [&steady[..], &[(32, 0.3)]].concat();
        assert!((290.0..320.0).contains(&after(&one_slow)));
        // The last batch of an epoch has few images.
        let one_small = [&steady[..], &[(4, 0.1)]].concat();
        assert!((310.0..320.0).contains(&after(&one_small)));
    }

    #[test]
    fn a_lasting_change_shows_after_seconds() {
        let mut steps = vec![(32, 0.1); 1000];
        steps.extend(vec![(32, 0.2); 100]);
        assert!((160.0..170.0).contains(&after(&steps)));
        // A single step that takes longer than the memory.
        assert!((2.9..3.4).contains(&after(&[(32, 0.1), (60, 20.0)])));
    }
}
