//! [`Tree`]: a regression tree with random splits.

use rand::{Rng, RngExt};

use super::part::{Part, cell};
use crate::sweep::domain::Domain;
use crate::sweep::space::{Point, Space};

/// Number of random splits on each axis from which the best one is taken.
const SPLITS: usize = 3;

/// A function that is constant on boxes. A box is the product of a part of each axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Leaf(f64),
    /// `inside` applies to the coordinates in `side`.
    Split {
        axis: usize,
        side: Part,
        inside: Box<Tree>,
        outside: Box<Tree>,
    },
}

impl Tree {
    /// Returns the value at a place in the unit cube.
    pub(super) fn at(&self, place: &[f64]) -> f64 {
        match self {
            Self::Leaf(value) => *value,
            Self::Split {
                axis,
                side,
                inside,
                outside,
            } => match side.contains(place[*axis]) {
                true => inside.at(place),
                false => outside.at(place),
            },
        }
    }

    /// Calls `visit` with the box and the value of each leaf. `parts` is the box of this tree, and is restored.
    pub(super) fn for_each_leaf(
        &self,
        parts: &mut Vec<Part>,
        visit: &mut impl FnMut(&[Part], f64),
    ) {
        match self {
            Self::Leaf(value) => visit(parts, *value),
            Self::Split {
                axis,
                side,
                inside,
                outside,
            } => {
                let whole = parts[*axis].clone();
                parts[*axis] = whole.intersection(side);
                inside.for_each_leaf(parts, visit);
                parts[*axis] = whole.intersection(&side.complement());
                outside.for_each_leaf(parts, visit);
                parts[*axis] = whole;
            }
        }
    }
}

/// The trials in the unit cube.
///
/// A trial has a coordinate on every axis of the cube, as if it had been drawn even where the axis does not apply.
/// A split on an axis is allowed only within the part of the cube where the axis applies, so that the coordinate
/// elsewhere does not matter.
pub(super) struct Trials<'a> {
    space: &'a Space,
    /// For each axis with a condition: the axis that it depends on, and the part of that axis where it applies.
    pub conditions: Vec<Option<(usize, Part)>>,
    /// For each trial and axis, the interval of the coordinate.
    cells: Vec<Vec<(f64, f64)>>,
    /// For each trial and axis, the middle of the interval.
    pub places: Vec<Vec<f64>>,
}

impl<'a> Trials<'a> {
    pub(super) fn new(space: &'a Space, points: &[Point]) -> Self {
        let axes = space.axes();
        let condition = |axis: usize| {
            let (parent, when) = space.parent(axis).zip(axes[axis].when.as_ref())?;
            let cells = when
                .equals
                .iter()
                .map(|at| cell(&axes[parent].domain, at))
                .collect();
            Some((parent, Part::union(cells)))
        };
        let cells_of = |point: &Point| {
            let cells = point.iter().zip(axes).map(|(at, axis)| match at {
                Some(at) => cell(&axis.domain, at),
                None => (0.5, 0.5),
            });
            cells.collect::<Vec<_>>()
        };
        let cells: Vec<Vec<(f64, f64)>> = points.iter().map(cells_of).collect();
        let middles = |cells: &Vec<(f64, f64)>| {
            let middles = cells.iter().map(|(start, end)| f64::midpoint(*start, *end));
            middles.collect()
        };
        Self {
            space,
            conditions: (0..axes.len()).map(condition).collect(),
            places: cells.iter().map(middles).collect(),
            cells,
        }
    }

    /// Returns the number of axes.
    pub(super) fn axes(&self) -> usize {
        self.conditions.len()
    }

    /// Grows a tree with up to `depth` splits in a row, whose leaves hold the means of `values` over the trials in
    /// `rows` times `rate`.
    pub(super) fn grow(
        &self,
        values: &[f64],
        rows: &[usize],
        rate: f64,
        depth: usize,
        random: &mut impl Rng,
    ) -> Tree {
        let parts = vec![Part::whole(); self.axes()];
        let growth = Growth {
            trials: self,
            values,
            rate,
        };
        growth.grow(rows, &parts, depth, random)
    }

    /// Returns whether an axis applies in all of a box.
    fn applies(&self, axis: usize, parts: &[Part]) -> bool {
        self.conditions[axis].as_ref().is_none_or(|(parent, part)| {
            self.applies(*parent, parts) && parts[*parent].is_within(part)
        })
    }

    /// Draws a random part of an axis that separates some trials; `None` if all have the same coordinate.
    fn side(&self, axis: usize, rows: &[usize], random: &mut impl Rng) -> Option<Part> {
        let cells = rows.iter().map(|&row| self.cells[row][axis]);
        match self.space.axes()[axis].domain {
            Domain::Values(_) => choices(cells.collect(), random),
            _ => below(cells, random),
        }
    }
}

/// Draws a random set of choices. Choices that no trial has are all inside or all outside of it.
fn choices(mut cells: Vec<(f64, f64)>, random: &mut impl Rng) -> Option<Part> {
    cells.sort_by(|a, b| a.0.total_cmp(&b.0));
    cells.dedup();
    if cells.len() < 2 {
        return None;
    }
    let mut inside: Vec<bool> = cells.iter().map(|_| random.random()).collect();
    if inside.iter().all(|&is| is == inside[0]) {
        let other = random.random_range(0..inside.len());
        inside[other] = !inside[other];
    }
    let with_unseen: bool = random.random();
    let listed = cells.into_iter().zip(inside);
    let listed = listed.filter(|&(_, is_inside)| is_inside != with_unseen);
    let part = Part::union(listed.map(|(cell, _)| cell).collect());
    Some(match with_unseen {
        true => part.complement(),
        false => part,
    })
}

/// Draws a random bound between the lowest and the highest coordinate, and returns the part below it. A bound within
/// the interval of a coordinate is moved to the nearer end.
fn below(cells: impl Iterator<Item = (f64, f64)> + Clone, random: &mut impl Rng) -> Option<Part> {
    let lowest = cells.clone().min_by(|a, b| a.0.total_cmp(&b.0))?;
    let highest = cells.clone().max_by(|a, b| a.0.total_cmp(&b.0))?;
    if lowest.0 == highest.0 {
        return None;
    }
    let drawn = lowest.1 + random.random::<f64>() * (highest.0 - lowest.1);
    let mut around = cells.filter(|&(start, end)| start < drawn && drawn < end);
    let bound = match around.next() {
        Some((start, end)) if drawn - start < end - drawn => start,
        Some((_, end)) => end,
        None => drawn,
    };
    Some(Part::union(vec![(0.0, bound)]))
}

struct Growth<'a> {
    trials: &'a Trials<'a>,
    values: &'a [f64],
    rate: f64,
}

impl Growth<'_> {
    fn grow(&self, rows: &[usize], parts: &[Part], depth: usize, random: &mut impl Rng) -> Tree {
        let split = match depth {
            0 => None,
            _ => self.best_split(rows, parts, random),
        };
        let Some((axis, side)) = split else {
            let sum: f64 = rows.iter().map(|&row| self.values[row]).sum();
            return Tree::Leaf(self.rate * sum / rows.len() as f64);
        };
        let (inside, outside) = self.divide(rows, axis, &side);
        let mut within = parts.to_vec();
        within[axis] = parts[axis].intersection(&side);
        let inside = self.grow(&inside, &within, depth - 1, random);
        within[axis] = parts[axis].intersection(&side.complement());
        let outside = self.grow(&outside, &within, depth - 1, random);
        Tree::Split {
            axis,
            side,
            inside: Box::new(inside),
            outside: Box::new(outside),
        }
    }

    /// Returns the split of a box that reduces the squared error most, out of some random ones on each axis.
    ///
    /// Where an axis applies only to a part of the box, that part is separated first. So the errors after both splits
    /// are compared: an axis may matter even if its condition alone does not.
    fn best_split(
        &self,
        rows: &[usize],
        parts: &[Part],
        random: &mut impl Rng,
    ) -> Option<(usize, Part)> {
        let mut best: Option<(f64, usize, Part)> = None;
        let mut consider = |gain: Option<f64>, axis, side: Part| {
            if let Some(gain) = gain
                && best.as_ref().is_none_or(|(most, ..)| gain > *most)
            {
                best = Some((gain, axis, side));
            }
        };
        for axis in 0..self.trials.axes() {
            if self.trials.applies(axis, parts) {
                for _ in 0..SPLITS {
                    if let Some(side) = self.trials.side(axis, rows, random) {
                        consider(self.gain(rows, axis, &side), axis, side);
                    }
                }
            } else if let Some((parent, part)) = &self.trials.conditions[axis]
                && self.trials.applies(*parent, parts)
            {
                let gain = self.gain(rows, *parent, part);
                let (inside, _) = self.divide(rows, *parent, part);
                let further = (0..SPLITS).filter_map(|_| {
                    let side = self.trials.side(axis, &inside, random)?;
                    self.gain(&inside, axis, &side)
                });
                let further = further.fold(0.0, f64::max);
                consider(gain.map(|gain| gain + further), *parent, part.clone());
            }
        }
        best.map(|(_, axis, side)| (axis, side))
    }

    /// Returns by how much a split reduces the squared error; `None` if all trials are on the same side.
    fn gain(&self, rows: &[usize], axis: usize, side: &Part) -> Option<f64> {
        let mut sums = [(0_usize, 0.0); 2];
        for &row in rows {
            let is_inside = side.contains(self.trials.places[row][axis]);
            let sum = &mut sums[usize::from(is_inside)];
            *sum = (sum.0 + 1, sum.1 + self.values[row]);
        }
        let [(few, low), (many, high)] = sums;
        if few == 0 || many == 0 {
            return None;
        }
        let (few, many) = (few as f64, many as f64);
        let gap = low / few - high / many;
        Some(few * many / (few + many) * gap * gap)
    }

    fn divide(&self, rows: &[usize], axis: usize, side: &Part) -> (Vec<usize>, Vec<usize>) {
        let is_inside = |row: &usize| side.contains(self.trials.places[*row][axis]);
        rows.iter().partition(|row| is_inside(row))
    }
}
