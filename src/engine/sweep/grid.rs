//! The grid: all combinations of the values of finite axes, in order.

use super::domain::Coordinate;
use super::space::{Point, Space};

/// An axis has infinitely many values, so there is no grid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the axis `{axis}` is continuous, so it cannot be part of a grid")]
pub struct Infinite {
    pub axis: String,
}

/// Returns the number of points in the grid, before exclusions, or `u128::MAX` if there are more.
///
/// An axis multiplies the points only where it applies. The conditions form a forest, which is counted from
/// its leaves.
pub fn combinations(space: &Space) -> Result<u128, Infinite> {
    let counts = counts(space)?;
    // For each axis: the number of combinations of its values with those of its dependent axes.
    let mut below = vec![0_u128; counts.len()];
    let mut total = 1_u128;
    for &axis in space.order().iter().rev() {
        let children: Vec<(usize, &[Coordinate])> = space
            .axes()
            .iter()
            .enumerate()
            .filter(|&(child, _)| space.parent(child) == Some(axis))
            .filter_map(|(child, a)| Some((child, a.when.as_ref()?.equals.as_slice())))
            .collect();
        let mut special: Vec<&Coordinate> = Vec::new();
        for value in children.iter().flat_map(|(_, equals)| *equals) {
            if !special.contains(&value) {
                special.push(value);
            }
        }
        let plain = counts[axis] - special.len() as u128;
        below[axis] = special.iter().fold(plain, |sum, value| {
            let apply = children.iter().filter(|(_, equals)| equals.contains(value));
            sum.saturating_add(apply.fold(1, |product: u128, &(child, _)| {
                product.saturating_mul(below[child])
            }))
        });
        if space.parent(axis).is_none() {
            total = total.saturating_mul(below[axis]);
        }
    }
    Ok(total)
}

/// Returns the points of the grid, with the last axis changing fastest. Axes that do not apply do not
/// multiply the points. Excluded points are left out.
pub fn points(space: &Space) -> Result<Points, Infinite> {
    Ok(Points {
        counts: counts(space)?,
        space: space.clone(),
        next: Some(vec![0; space.axes().len()]),
    })
}

/// Iterator over the points of a grid; see [`points`].
#[derive(Clone, Debug)]
pub struct Points {
    space: Space,
    counts: Vec<u128>,
    /// Index of the next point on each axis; 0 where the axis does not apply.
    next: Option<Vec<u128>>,
}

impl Points {
    /// Returns the next point, whether it is excluded or not.
    pub fn advance(&mut self) -> Option<Point> {
        let mut indices = self.next.take()?;
        let point = self.space.point(|axis, a| {
            let value = a.domain.nth(indices[axis]);
            value.unwrap_or_else(|| unreachable!("`{}` has no index {}", a.name, indices[axis]))
        });
        for &axis in self.space.order().iter().rev() {
            if point[axis].is_some() && indices[axis] + 1 < self.counts[axis] {
                indices[axis] += 1;
                self.next = Some(indices);
                break;
            }
            indices[axis] = 0;
        }
        Some(point)
    }
}

impl Iterator for Points {
    type Item = Point;

    fn next(&mut self) -> Option<Point> {
        loop {
            let point = self.advance()?;
            if !self.space.excludes(&point) {
                return Some(point);
            }
        }
    }
}

fn counts(space: &Space) -> Result<Vec<u128>, Infinite> {
    let counts = space.axes().iter().map(|axis| {
        axis.domain.count().ok_or_else(|| Infinite {
            axis: axis.name.clone(),
        })
    });
    counts.collect()
}

#[cfg(test)]
mod tests {
    use super::{combinations, points};
    use crate::sweep::domain::{Coordinate, Domain};
    use crate::sweep::space::{Axis, Condition, Space};

    fn axis(name: &str, domain: Domain, when: Option<(&str, usize)>) -> Axis {
        Axis {
            name: name.to_owned(),
            domain,
            when: when.map(|(axis, choice)| Condition {
                axis: axis.to_owned(),
                equals: vec![Coordinate::Choice(choice)],
            }),
        }
    }

    fn listed(axes: Vec<Axis>) -> Vec<String> {
        let space = Space::new(axes, Vec::new()).unwrap();
        let shown = points(&space).unwrap().map(|point| {
            let shown = point.iter().map(|coordinate| match coordinate {
                Some(Coordinate::Choice(choice)) => choice.to_string(),
                Some(Coordinate::Number(number)) => number.to_string(),
                None => "-".to_owned(),
            });
            shown.collect::<Vec<_>>().join(" ")
        });
        shown.collect()
    }

    #[test]
    fn the_last_axis_changes_fastest() {
        let numbers = Domain::int_uniform(5, 7, 1).unwrap();
        let axes = vec![axis("a", Domain::Values(2), None), axis("b", numbers, None)];
        assert_eq!(listed(axes), ["0 5", "0 6", "0 7", "1 5", "1 6", "1 7"]);
        assert_eq!(listed(Vec::new()), [""]);
    }

    #[test]
    fn an_axis_that_does_not_apply_does_not_multiply_the_points() {
        let axes = vec![
            axis("a", Domain::Values(2), None),
            axis("b", Domain::Values(3), Some(("a", 1))),
            axis("c", Domain::Values(2), Some(("b", 2))),
        ];
        assert_eq!(listed(axes), ["0 - -", "1 0 -", "1 1 -", "1 2 0", "1 2 1"]);
    }

    #[test]
    fn a_grid_is_counted_without_being_built() {
        let wide = Domain::int_uniform(0, i64::MAX, 1).unwrap();
        let count = |axes| combinations(&Space::new(axes, Vec::new()).unwrap());
        let some = vec![
            axis("a", Domain::Values(3), None),
            axis("b", wide.clone(), Some(("a", 2))),
        ];
        assert_eq!(count(some), Ok(2 + (1 << 63)));
        let names = ["a", "b", "c"];
        let many = names.map(|name| axis(name, wide.clone(), None)).to_vec();
        assert_eq!(count(many), Ok(u128::MAX));
    }

    #[test]
    fn the_error_names_the_continuous_axis() {
        let rate = Domain::log_uniform(1e-4, 1e-2).unwrap();
        let axes = vec![axis("a", Domain::Values(3), None), axis("rate", rate, None)];
        let space = Space::new(axes, Vec::new()).unwrap();
        let infinite = points(&space).unwrap_err();
        assert_eq!(
            infinite.to_string(),
            "the axis `rate` is continuous, so it cannot be part of a grid"
        );
        assert_eq!(combinations(&space), Err(infinite));
    }
}
