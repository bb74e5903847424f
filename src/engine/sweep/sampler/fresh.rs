//! [`Fresh`]: finds points that were not proposed before.

use std::collections::HashSet;

use crate::sweep::grid::{self, Points};
use crate::sweep::space::{Point, Space};

/// Maximum number of draws for a point. A draw is repeated if its point is excluded or was proposed before.
const REDRAWS: u64 = 100;
/// Maximum number of grid points that are searched if no draw succeeds.
const MAX_SEARCHED: usize = 1_000_000;

/// Returns points, none of them twice.
pub(super) struct Fresh {
    space: Space,
    /// Used only for membership tests, because its order is not deterministic.
    proposed: HashSet<Point>,
    /// For a finite space, the part of the grid that was not searched yet.
    rest: Option<Points>,
}

impl Fresh {
    pub(super) fn new(space: &Space) -> Self {
        Self {
            space: space.clone(),
            proposed: HashSet::new(),
            rest: grid::points(space).ok(),
        }
    }

    /// Marks `point` as proposed, even if it is excluded. Returns false if it was proposed before.
    pub(super) fn take(&mut self, point: &Point) -> bool {
        self.proposed.insert(point.clone())
    }

    pub(super) fn is_fresh(&self, point: &Point) -> bool {
        !self.space.excludes(point) && !self.proposed.contains(point)
    }

    /// Returns the first fresh point that `draw` returns for the attempts 0, 1, …. If there is none, returns
    /// the first fresh point in the rest of the grid.
    pub(super) fn draw(&mut self, mut draw: impl FnMut(u64) -> Point) -> Option<Point> {
        let drawn = (0..REDRAWS)
            .map(&mut draw)
            .find(|point| self.is_fresh(point));
        let point = drawn.or_else(|| {
            let mut rest = self.rest.take()?;
            let left = std::iter::from_fn(|| rest.advance())
                .take(MAX_SEARCHED)
                .find(|point| self.is_fresh(point));
            self.rest = Some(rest);
            left
        })?;
        self.take(&point);
        Some(point)
    }
}
