//! Random search (Bergstra and Bengio 2012).

use contract::random::stream;
use rand::RngExt;

use super::fresh::Fresh;
use super::{Observation, Proposal, Sampler};
use crate::sweep::space::{Point, Space};

/// Proposes random points.
///
/// A point depends only on the seed and its number, so more trials do not change earlier ones. A coordinate is
/// drawn from a random stream with the name of its axis, so adding an axis does not change it. The exception is a
/// point that must be drawn again because it is excluded or was proposed before: it depends on the earlier points
/// and on the other axes.
pub struct RandomSampler {
    space: Space,
    seed: u64,
    include: std::vec::IntoIter<Point>,
    fresh: Fresh,
    trials: usize,
    drawn: u64,
}

impl RandomSampler {
    /// Creates a sampler that proposes `include` first. These points do not change those that are drawn after
    /// them.
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

    fn observe(&mut self, _: usize, _: Observation) {}
}

/// Draws a random point. `indices` are its number and the attempt.
pub(super) fn draw(space: &Space, seed: u64, indices: [u64; 2]) -> Point {
    space.point(|_, axis| {
        let (start, end) = axis.domain.extent();
        let share: f64 = stream(seed, &format!("sweep {}", axis.name), indices).random();
        axis.domain.at(start + share * (end - start))
    })
}
