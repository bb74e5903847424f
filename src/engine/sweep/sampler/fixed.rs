//! [`FixedSampler`]: proposes points that are known in advance, such as the grid.

use std::collections::HashSet;

use super::{Observation, Proposal, Sampler};
use crate::sweep::grid::{self, Infinite};
use crate::sweep::space::{Point, Space};

/// Proposes points in a fixed order, whatever the results are.
pub struct FixedSampler {
    points: Box<dyn Iterator<Item = Point> + Send>,
    trials: usize,
}

impl FixedSampler {
    /// Creates a sampler that proposes `include`, then all other combinations in the order of
    /// [`grid::points`].
    pub fn grid(space: &Space, include: Vec<Point>) -> Result<Self, Infinite> {
        Ok(Self::listing(
            include.into_iter().chain(grid::points(space)?),
        ))
    }

    fn listing(points: impl Iterator<Item = Point> + Send + 'static) -> Self {
        let mut listed = HashSet::new();
        Self {
            points: Box::new(points.filter(move |point| listed.insert(point.clone()))),
            trials: 0,
        }
    }
}

impl Sampler for FixedSampler {
    fn ask(&mut self, count: usize) -> Vec<Proposal> {
        let numbered = self.points.by_ref().take(count).zip(self.trials..);
        let proposals: Vec<_> = numbered
            .map(|(point, trial)| Proposal { trial, point })
            .collect();
        self.trials += proposals.len();
        proposals
    }

    fn observe(&mut self, _: usize, _: Observation) {}
}
