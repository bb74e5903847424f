//! [`Space`]: the axes of a sweep, where each of them applies, and which points are excluded.

use std::collections::HashMap;

use super::domain::{Coordinate, Domain};

/// An axis of a space.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Unique in its space. The random numbers of the axis depend on its name, and not on other axes.
    pub name: String,
    pub domain: Domain,
    /// The part of the space where the axis applies; `None` means everywhere.
    pub when: Option<Condition>,
}

/// Holds if an axis has one of these coordinates.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub axis: String,
    pub equals: Vec<Coordinate>,
}

/// A point in a space: the coordinates on its axes in order, with `None` where an axis does not apply.
pub type Point = Vec<Option<Coordinate>>;

/// Axes, and the points that are excluded.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    axes: Vec<Axis>,
    /// For each axis, the axis that its condition refers to.
    parents: Vec<Option<usize>>,
    /// Indices of all axes: each after its parent, otherwise in the order given.
    order: Vec<usize>,
    exclude: Vec<Vec<(usize, Vec<Coordinate>)>>,
}

/// Reason why a space cannot be created from axes and exclusions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("two axes are called `{0}`")]
    Repeated(String),
    #[error("there is no axis `{0}`")]
    Unknown(String),
    #[error("a condition refers to a value that the axis `{axis}` does not have")]
    NoSuchValue { axis: String },
    #[error("the condition of the axis `{0}` depends on itself")]
    Cycle(String),
}

impl Space {
    /// Creates the space of `axes`. A point is excluded if all conditions of one entry in `exclude` hold.
    pub fn new(axes: Vec<Axis>, exclude: Vec<Vec<Condition>>) -> Result<Self, Invalid> {
        let mut places = HashMap::new();
        for (index, axis) in axes.iter().enumerate() {
            if places.insert(axis.name.clone(), index).is_some() {
                return Err(Invalid::Repeated(axis.name.clone()));
            }
        }
        let resolve = |condition: &Condition| {
            let place = places.get(&condition.axis).copied();
            let place = place.ok_or_else(|| Invalid::Unknown(condition.axis.clone()))?;
            let domain = &axes[place].domain;
            match condition.equals.iter().all(|value| domain.contains(value)) {
                true => Ok(place),
                false => Err(Invalid::NoSuchValue {
                    axis: condition.axis.clone(),
                }),
            }
        };
        let parents: Vec<Option<usize>> = axes
            .iter()
            .map(|axis| axis.when.as_ref().map(resolve).transpose())
            .collect::<Result<_, _>>()?;
        let exclude = exclude
            .into_iter()
            .map(|conditions| {
                let resolved = conditions.into_iter().map(|c| Ok((resolve(&c)?, c.equals)));
                resolved.collect::<Result<Vec<_>, _>>()
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            order: parents_first(&axes, &parents)?,
            axes,
            parents,
            exclude,
        })
    }

    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Returns the indices of all axes, each after the one that its condition refers to.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Returns the index of the axis that the condition of `axis` refers to.
    pub fn parent(&self, axis: usize) -> Option<usize> {
        self.parents[axis]
    }

    /// Returns `true` if the axis at this index applies, given the coordinates of those before it in [`Space::order`].
    pub fn applies(&self, axis: usize, point: &[Option<Coordinate>]) -> bool {
        let (Some(condition), Some(parent)) = (&self.axes[axis].when, self.parents[axis]) else {
            return true;
        };
        let value = point[parent].as_ref();
        value.is_some_and(|value| condition.equals.contains(value))
    }

    /// Creates a point with a coordinate from `choose` on each axis that applies.
    pub fn point(&self, mut choose: impl FnMut(usize, &Axis) -> Coordinate) -> Point {
        let mut point = vec![None; self.axes.len()];
        for &axis in &self.order {
            if self.applies(axis, &point) {
                point[axis] = Some(choose(axis, &self.axes[axis]));
            }
        }
        point
    }

    /// Returns `true` if `point` is excluded.
    pub fn excludes(&self, point: &[Option<Coordinate>]) -> bool {
        let holds = |(axis, equals): &(usize, Vec<Coordinate>)| {
            let value = point[*axis].as_ref();
            value.is_some_and(|value| equals.contains(value))
        };
        self.exclude.iter().any(|all| all.iter().all(holds))
    }

    /// Returns `true` if `point` has a coordinate of the domain on exactly the axes that apply. Excluded points are
    /// contained, too, because `include` may name them.
    pub fn contains(&self, point: &[Option<Coordinate>]) -> bool {
        point.len() == self.axes.len()
            && self
                .axes
                .iter()
                .enumerate()
                .all(|(place, axis)| match &point[place] {
                    Some(value) => self.applies(place, point) && axis.domain.contains(value),
                    None => !self.applies(place, point),
                })
    }
}

fn parents_first(axes: &[Axis], parents: &[Option<usize>]) -> Result<Vec<usize>, Invalid> {
    let mut order = Vec::with_capacity(axes.len());
    let mut placed = vec![false; axes.len()];
    for first in 0..axes.len() {
        let mut line = Vec::new();
        let mut next = Some(first);
        while let Some(axis) = next.filter(|&axis| !placed[axis]) {
            if line.contains(&axis) {
                return Err(Invalid::Cycle(axes[axis].name.clone()));
            }
            line.push(axis);
            next = parents[axis];
        }
        for axis in line.into_iter().rev() {
            placed[axis] = true;
            order.push(axis);
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::{Axis, Condition, Invalid, Space};
    use crate::sweep::domain::{Coordinate, Domain};

    /// Axes of two choices each. Conditions refer to the second choice of an axis.
    fn space(axes: &[(&str, Option<&str>)]) -> Result<Space, Invalid> {
        let axes = axes.iter().map(|&(name, parent)| Axis {
            name: name.to_owned(),
            domain: Domain::Values(2),
            when: parent.map(|parent| when(parent, 1)),
        });
        Space::new(axes.collect(), Vec::new())
    }

    fn when(axis: &str, choice: usize) -> Condition {
        Condition {
            axis: axis.to_owned(),
            equals: vec![Coordinate::Choice(choice)],
        }
    }

    #[test]
    fn an_axis_may_depend_on_one_after_it() {
        let space = space(&[("a", Some("b")), ("b", Some("c")), ("c", None), ("d", None)]).unwrap();
        assert_eq!(space.order(), [2, 1, 0, 3]);
        let first = space.point(|_, _| Coordinate::Choice(0));
        let zero = Some(Coordinate::Choice(0));
        assert_eq!(first, [None, None, zero.clone(), zero]);
        assert!(space.contains(&first));
        let second = space.point(|_, _| Coordinate::Choice(1));
        assert!(second.iter().all(Option::is_some) && space.contains(&second));
        assert!(!space.contains(&[first[2].clone(), None, first[2].clone(), first[2].clone()]));
        assert!(!space.contains(&first[..3]));
    }

    #[test]
    fn invalid_axes_are_errors() {
        let refused = |axes| space(axes).unwrap_err();
        assert_eq!(
            refused(&[("a", None), ("a", None)]),
            Invalid::Repeated("a".to_owned())
        );
        assert_eq!(
            refused(&[("a", Some("b"))]),
            Invalid::Unknown("b".to_owned())
        );
        assert_eq!(refused(&[("a", Some("a"))]), Invalid::Cycle("a".to_owned()));
        let cycle = refused(&[("x", Some("a")), ("a", Some("b")), ("b", Some("a"))]);
        assert_eq!(cycle, Invalid::Cycle("a".to_owned()));
        let axis = space(&[("a", None)]).unwrap().axes().to_vec();
        let never = Space::new(axis, vec![vec![when("a", 2)]]).unwrap_err();
        assert_eq!(
            never,
            Invalid::NoSuchValue {
                axis: "a".to_owned()
            }
        );
    }

    #[test]
    fn an_exclusion_needs_all_its_conditions_and_axes_that_apply() {
        let axes = space(&[("a", None), ("b", Some("a"))])
            .unwrap()
            .axes()
            .to_vec();
        let space = Space::new(axes, vec![vec![when("a", 1), when("b", 0)]]).unwrap();
        let at = |a, b: Option<usize>| [Some(Coordinate::Choice(a)), b.map(Coordinate::Choice)];
        assert!(space.excludes(&at(1, Some(0))));
        assert!(!space.excludes(&at(1, Some(1))));
        assert!(!space.excludes(&at(0, None)));
    }
}
