//! [`Design`]: which points of a sweep's space are tried, and in which order.

use std::collections::HashMap;

use contract::Direction;

use super::axes::Axis;
use super::domain::{Coordinate, Domain};
use super::grid;
use super::sampler::{FixedSampler, RandomSampler, Sampler, TpeSampler};
use super::space::{self, Condition, Point, Space};
use crate::spec::{Diagnostic, Entry, Method, Node, Place, SweepSpec, Value, suggest};

/// Maximum number of trials in a sweep.
const MAX_TRIALS: u128 = 100_000;
/// Default number of trials that are chosen at a time, if results decide which.
const PARALLEL: usize = 4;

/// The space of a sweep, and how its points are chosen.
pub(super) struct Design {
    pub space: Space,
    /// For each axis of the space, the axes of the sweep that it stands for: one, or several that vary
    /// together.
    pub members: Vec<Vec<usize>>,
    pub method: Method,
    /// Total number of trials.
    pub trials: usize,
    /// Number of trials that are chosen at a time.
    pub parallel: usize,
    seed: u64,
    include: Vec<Point>,
}

impl Design {
    /// Creates the design of a single point without axes.
    pub(super) fn single_point() -> Self {
        Self {
            // Without axes, no two can have the same name.
            space: Space::new(Vec::new(), Vec::new()).unwrap_or_else(|e| unreachable!("{e}")),
            members: Vec::new(),
            method: Method::Grid,
            trials: 1,
            parallel: 1,
            seed: 0,
            include: Vec::new(),
        }
    }

    /// Reads the design of a sweep. If it is invalid, adds the error to `errors` and returns `None`.
    pub(super) fn read(
        spec: &SweepSpec,
        axes: &[Axis],
        default_seed: u64,
        errors: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let reader = Reader {
            spec,
            axes,
            groups: groups(spec, axes)
                .map_err(|error| errors.push(error))
                .ok()?,
        };
        reader
            .design(default_seed)
            .map_err(|error| errors.push(error))
            .ok()
    }

    /// Returns `true` if results decide which trials are chosen.
    pub(super) fn learns(&self) -> bool {
        self.method == Method::Tpe
    }

    /// Returns `true` if all trials are chosen at once.
    pub(super) fn is_known(&self) -> bool {
        !self.learns() && self.parallel >= self.trials
    }

    /// Creates the sampler that chooses trials. For the sampler, larger values are better.
    pub(super) fn sampler(&self) -> Box<dyn Sampler> {
        let (space, seed, include) = (&self.space, self.seed, self.include.clone());
        match self.method {
            Method::Grid => match FixedSampler::grid(space, include) {
                Ok(grid) => Box::new(grid),
                Err(infinite) => unreachable!("{infinite}"),
            },
            Method::Random => Box::new(RandomSampler::new(space, seed, include)),
            Method::Tpe => {
                let direction = Direction::Maximize;
                Box::new(TpeSampler::new(space, seed, direction, include))
            }
        }
    }

    /// Returns the coordinates of a point on the axes as declared.
    pub(super) fn coordinates(&self, point: &Point, axes: &[Axis]) -> Vec<Option<Coordinate>> {
        let mut found = vec![None; axes.len()];
        for (members, at) in self.members.iter().zip(point) {
            let Some(at) = at else { continue };
            for &member in members {
                found[member] = match (members.len(), at) {
                    (1, at) => Some(at.clone()),
                    (_, Coordinate::Choice(index)) => axes[member].domain.nth(*index as u128),
                    (_, Coordinate::Number(_)) => None,
                };
            }
        }
        found
    }

    /// Returns coordinates that make an axis apply, each with the index of its axis, outermost condition first.
    pub(super) fn surroundings(&self, axis: usize, axes: &[Axis]) -> Vec<(usize, Coordinate)> {
        let is_of = |members: &Vec<usize>| members.contains(&axis);
        let mut found = Vec::new();
        let mut at = self.members.iter().position(is_of);
        while let Some(place) = at {
            let parent = self.space.parent(place);
            let condition = self.space.axes()[place].when.as_ref();
            if let Some((parent, condition)) = parent.zip(condition) {
                let mut point = vec![None; self.members.len()];
                point[parent] = condition.equals.first().cloned();
                let coordinates = self.coordinates(&point, axes).into_iter().enumerate();
                found.extend(coordinates.filter_map(|(axis, at)| Some((axis, at?))));
            }
            at = parent;
        }
        found.reverse();
        found
    }
}

/// Groups of axes that vary together. Any other axis is a group of its own.
struct Groups {
    members: Vec<Vec<usize>>,
    /// Index of the group of each axis.
    of: Vec<usize>,
}

fn groups(spec: &SweepSpec, axes: &[Axis]) -> Result<Groups, Diagnostic> {
    let mut first_of: HashMap<usize, usize> = HashMap::new();
    let mut zipped: Vec<Vec<usize>> = Vec::new();
    for list in spec.list("zip") {
        let mut members = Vec::new();
        for name in list.items() {
            let axis = named(axes, name.as_text().unwrap_or_default(), &name.place)?;
            if first_of.insert(axis, zipped.len()).is_some() {
                let message = format!("the axis `{}` is in `zip` twice", axes[axis].name);
                return Err(Diagnostic::at(&name.place, message));
            }
            members.push(axis);
        }
        let lengths: Vec<(&str, usize)> = members
            .iter()
            .map(|&axis| match axes[axis].domain.count() {
                Some(count) => Ok((axes[axis].name.as_str(), count as usize)),
                None => {
                    let message = format!(
                        "the axis `{}` has infinitely many values, so it cannot be in `zip`",
                        axes[axis].name
                    );
                    Err(Diagnostic::at(&list.place, message))
                }
            })
            .collect::<Result<_, _>>()?;
        Domain::zipped(&lengths).map_err(|error| Diagnostic::at(&list.place, error.to_string()))?;
        zipped.push(members);
    }
    let (mut members, mut of) = (Vec::<Vec<usize>>::new(), vec![0; axes.len()]);
    for axis in 0..axes.len() {
        let group = match first_of.get(&axis) {
            None => vec![axis],
            // The group takes the position of its first axis.
            Some(&zip) if zipped[zip].iter().min() == Some(&axis) => zipped[zip].clone(),
            Some(_) => continue,
        };
        for &member in &group {
            of[member] = members.len();
        }
        members.push(group);
    }
    Ok(Groups { members, of })
}

/// Returns the index of the axis with this name or label.
fn named(axes: &[Axis], name: &str, place: &Place) -> Result<usize, Diagnostic> {
    let found = axes.iter().position(|a| a.name == name || a.label == name);
    found.ok_or_else(|| {
        let known = axes.iter().map(|axis| axis.name.as_str());
        Diagnostic::at(place, format!("there is no axis `{name}`"))
            .hint(suggest::hint("axes", name, known))
    })
}

struct Reader<'a> {
    spec: &'a SweepSpec,
    axes: &'a [Axis],
    groups: Groups,
}

impl Reader<'_> {
    fn design(self, default_seed: u64) -> Result<Design, Diagnostic> {
        let fields = &self.spec.fields;
        let space = self.space()?;
        let include = self.include(&space)?;
        let trials = self.trials(&space, &include)?;
        if fields.parallel == Some(0) {
            let place = self.spec.place_of(&["parallel"]);
            return Err(Diagnostic::at(
                &place,
                "`parallel` is 0; it must be at least 1",
            ));
        }
        let parallel = match (fields.parallel, fields.method) {
            (Some(parallel), _) => parallel,
            (None, Method::Tpe) => PARALLEL,
            (None, Method::Grid | Method::Random) => trials,
        };
        Ok(Design {
            space,
            members: self.groups.members,
            method: fields.method,
            trials,
            parallel,
            seed: fields.seed.unwrap_or(default_seed),
            include,
        })
    }

    fn space(&self) -> Result<Space, Diagnostic> {
        let mut conditions: Vec<Option<Condition>> = vec![None; self.groups.members.len()];
        for entry in self.spec.section("when") {
            let axis = named(self.axes, &entry.key, &entry.key_place)?;
            let [on] = entry.value.entries() else {
                let message = format!("expected one axis that `{}` depends on", entry.key);
                let hint = "for example `momentum: { optimizer: sgd }`".to_owned();
                return Err(Diagnostic::at(&entry.key_place, message).hint(hint));
            };
            let group = self.groups.of[axis];
            conditions[group] = Some(self.condition(on)?);
        }
        let axes = self
            .groups
            .members
            .iter()
            .zip(conditions)
            .map(|(members, when)| {
                let names: Vec<&str> = members
                    .iter()
                    .map(|&m| self.axes[m].name.as_str())
                    .collect();
                let first = &self.axes[members[0]].domain;
                let domain = match members.as_slice() {
                    [_] => first.clone(),
                    _ => Domain::Values(first.count().unwrap_or(0) as usize),
                };
                let name = names.join("+");
                space::Axis { name, domain, when }
            });
        let exclude = self.spec.list("exclude").iter();
        let exclude = exclude.map(|partial| {
            let conditions = partial.entries().iter().map(|entry| self.condition(entry));
            conditions.collect::<Result<Vec<_>, _>>()
        });
        Space::new(axes.collect(), exclude.collect::<Result<_, _>>()?)
            .map_err(|error| Diagnostic::at(&self.spec.place_of(&["when"]), error.to_string()))
    }

    /// Reads a condition: `optimizer: sgd`, or `optimizer: [sgd, adam]`.
    fn condition(&self, entry: &Entry) -> Result<Condition, Diagnostic> {
        let axis = named(self.axes, &entry.key, &entry.key_place)?;
        let values = match &entry.value.value {
            Value::List(items) if self.axes[axis].coordinate(&entry.value).is_err() => items,
            _ => std::slice::from_ref(&entry.value),
        };
        let equals = values.iter().map(|value| self.at(axis, value));
        let names = self.groups.members[self.groups.of[axis]].iter();
        let names: Vec<&str> = names.map(|&m| self.axes[m].name.as_str()).collect();
        Ok(Condition {
            axis: names.join("+"),
            equals: equals.collect::<Result<_, _>>()?,
        })
    }

    /// Returns the coordinate of a value on the space's axis that stands for `axis`.
    fn at(&self, axis: usize, value: &Node) -> Result<Coordinate, Diagnostic> {
        let at = self.axes[axis].coordinate(value)?;
        if self.groups.members[self.groups.of[axis]].len() == 1 {
            return Ok(at);
        }
        let domain = &self.axes[axis].domain;
        let count = domain.count().unwrap_or(0) as usize;
        let index = (0..count).find(|&index| domain.nth(index as u128).as_ref() == Some(&at));
        Ok(Coordinate::Choice(index.unwrap_or(0)))
    }

    fn include(&self, space: &Space) -> Result<Vec<Point>, Diagnostic> {
        let mut points = Vec::new();
        for trial in self.spec.list("include") {
            let mut given = vec![None; self.groups.members.len()];
            for entry in trial.entries() {
                let axis = named(self.axes, &entry.key, &entry.key_place)?;
                let place = &mut given[self.groups.of[axis]];
                let at = self.at(axis, &entry.value)?;
                if place.as_ref().is_some_and(|known| *known != at) {
                    let message = format!(
                        "the value of `{}` does not match those of the axes in the same `zip`",
                        entry.key
                    );
                    return Err(Diagnostic::at(&entry.key_place, message));
                }
                *place = Some(at);
            }
            let missing = |place: &usize| given[*place].is_none() && space.applies(*place, &given);
            if let Some(place) = (0..given.len()).find(missing) {
                let axis = &space.axes()[place].name;
                let message = format!("this trial has no value for `{axis}`");
                return Err(Diagnostic::at(&trial.place, message));
            }
            if !space.contains(&given) {
                let message = "this trial has a value on an axis that does not apply to it";
                return Err(Diagnostic::at(&trial.place, message));
            }
            points.push(given);
        }
        Ok(points)
    }

    fn trials(&self, space: &Space, include: &[Point]) -> Result<usize, Diagnostic> {
        let fields = &self.spec.fields;
        if fields.trials == Some(0) {
            let place = self.spec.place_of(&["trials"]);
            return Err(Diagnostic::at(&place, "a sweep needs at least one trial"));
        }
        let too_many = |count: u128| {
            let message =
                format!("the sweep has {count} trials, but at most {MAX_TRIALS} are allowed");
            let hint = (fields.method == Method::Grid)
                .then(|| "use `method: random` with `trials`".to_owned());
            Diagnostic::at(&self.spec.place_of(&["axes"]), message).hint(hint)
        };
        match (fields.method, grid::combinations(space)) {
            (Method::Grid, Err(infinite)) => {
                let axis = self.axes.iter().find(|axis| axis.name == infinite.axis);
                let place = axis.map_or_else(|| self.spec.place_of(&["axes"]), Axis::place);
                let message = format!(
                    "the axis `{}` has infinitely many values, so it cannot be part of a grid",
                    infinite.axis
                );
                let hint = "give it a quantum or a list of values, or use `method: random`";
                Err(Diagnostic::at(&place, message).hint(hint.to_owned()))
            }
            (Method::Grid, Ok(count)) => {
                let wanted = fields.trials.map_or(u128::MAX, |trials| trials as u128);
                if count.min(wanted) > MAX_TRIALS {
                    return Err(too_many(count.min(wanted)));
                }
                let most = count.saturating_add(include.len() as u128);
                let most = most.min(wanted).min(MAX_TRIALS) as usize;
                let left = FixedSampler::grid(space, include.to_vec());
                match left.map_or(0, |mut grid| grid.ask(most).len()) {
                    0 => {
                        let place = self.spec.place_of(&["exclude"]);
                        Err(Diagnostic::at(&place, "`exclude` leaves no trials"))
                    }
                    trials => Ok(trials),
                }
            }
            (Method::Random | Method::Tpe, combinations) => {
                let Some(trials) = fields.trials else {
                    let place = self.spec.place_of(&["method"]);
                    let message = format!("`method: {}` needs `trials`", fields.method.name());
                    return Err(Diagnostic::at(&place, message)
                        .hint("add the number of trials, for example `trials: 40`".to_owned()));
                };
                if trials as u128 > MAX_TRIALS {
                    return Err(too_many(trials as u128));
                }
                // No point is tried twice, so a finite space limits the number of trials.
                let left = combinations.and_then(|_| FixedSampler::grid(space, include.to_vec()));
                Ok(left.map_or(trials, |mut grid| grid.ask(trials).len()))
            }
        }
    }
}
