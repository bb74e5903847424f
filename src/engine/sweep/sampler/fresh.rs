//! Points that were not proposed before.

use std::collections::HashSet;

use crate::sweep::grid::{self, Points};
use crate::sweep::space::{Point, Space};

/// How often a point is drawn again because it is excluded or was proposed before, and after that, how
/// many points of the grid are looked at.
const REDRAWS: u64 = 100;
const LOOKED_AT: usize = 1_000_000;

/// Hands out points, none of them twice.
pub(super) struct Fresh {
    space: Space,
    /// For membership alone.
    proposed: HashSet<Point>,
    /// The part of the grid that was not looked at yet, of a finite space.
    rest: Option<Points>,
}

impl Fresh {
    pub fn new(space: &Space) -> Self {
        Self {
            space: space.clone(),
            proposed: HashSet::new(),
            rest: grid::points(space).ok(),
        }
    }

    /// Takes `point`, even if it is excluded; false if it was proposed before.
    pub fn take(&mut self, point: &Point) -> bool {
        self.proposed.insert(point.clone())
    }

    pub fn is_fresh(&self, point: &Point) -> bool {
        !self.space.excludes(point) && !self.proposed.contains(point)
    }

    /// The first fresh point of what `draw` gives for attempts 0, 1, …; if all are taken, the first that
    /// is left of the grid.
    pub fn draw(&mut self, mut draw: impl FnMut(u64) -> Point) -> Option<Point> {
        let drawn = (0..REDRAWS)
            .map(&mut draw)
            .find(|point| self.is_fresh(point));
        let point = drawn.or_else(|| {
            let mut rest = self.rest.take()?;
            let left = std::iter::from_fn(|| rest.advance())
                .take(LOOKED_AT)
                .find(|point| self.is_fresh(point));
            self.rest = Some(rest);
            left
        })?;
        self.take(&point);
        Some(point)
    }
}
