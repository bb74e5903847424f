//! Random search (Bergstra and Bengio 2012).

use contract::random::stream;
use rand::RngExt;

use super::fresh::Fresh;
use super::{Proposal, Sampler, Told};
use crate::sweep::space::{Point, Space};

/// Proposes points at random.
///
/// A point is a function of the seed and of its number alone, so more trials keep those before; and a
/// coordinate is drawn from a stream of its axis's name, so another axis changes none of them. (Where a
/// finite space has been proposed already, more is drawn, and this depends on the points before.)
pub struct RandomSampler {
    space: Space,
    seed: u64,
    include: std::vec::IntoIter<Point>,
    fresh: Fresh,
    trials: usize,
    drawn: u64,
}

impl RandomSampler {
    /// Proposes `include` first. Those points do not change what is drawn after them.
    pub fn new(space: &Space, seed: u64, include: Vec<Point>) -> Self {
        Self {
            space: space.clone(),
            seed,
            include: include.into_iter(),
            fresh: Fresh::new(space),
            trials: 0,
            drawn: 0,
        }
    }

    fn next(&mut self) -> Option<Point> {
        if let Some(point) = self.include.by_ref().find(|point| self.fresh.take(point)) {
            return Some(point);
        }
        let (space, seed, number) = (&self.space, self.seed, self.drawn);
        self.drawn += 1;
        self.fresh
            .draw(|attempt| draw(space, seed, [number, attempt]))
    }
}

impl Sampler for RandomSampler {
    fn ask(&mut self, count: usize) -> Vec<Proposal> {
        let points: Vec<Point> = std::iter::from_fn(|| self.next()).take(count).collect();
        let first = self.trials;
        self.trials += points.len();
        let numbered = (first..).zip(points);
        numbered
            .map(|(trial, point)| Proposal { trial, point })
            .collect()
    }

    fn tell(&mut self, _: usize, _: Told) {}
}

/// A point at random: the one with this number, at this attempt.
pub(super) fn draw(space: &Space, seed: u64, indices: [u64; 2]) -> Point {
    space.point(|_, axis| {
        let (start, end) = axis.domain.extent();
        let share: f64 = stream(seed, &format!("sweep {}", axis.name), indices).random();
        axis.domain.at(start + share * (end - start))
    })
}
