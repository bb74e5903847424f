//! Divides images into the parts of a cross-validation.

use contract::random;
use rand::seq::SliceRandom;

use super::source::Example;
use super::split;

/// Largest number of passes over all units that improve the first division. Few are needed.
const MOST_PASSES: usize = 50;

/// Improvements below this are rounding errors.
const ROUNDING: f64 = 1e-12;

/// A class that has too few units for a part each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFew {
    /// Index of the class.
    pub class: usize,
    /// Number of its units: groups, and images without a group; copies of an image count once.
    pub units: usize,
}

/// Divides examples into `parts` parts, so that each part has about the same share of each class. Returns the part of
/// each example, counted from 0.
///
/// Images of one group, and images with the same bytes, form a unit and stay together. Without such images, the sizes
/// of a class in two parts differ by at most one. The parts depend on the names, groups, contents and `seed`, not on
/// the order of the examples.
///
/// Units are placed one after another, those with the largest share of a class first, where they keep the parts
/// most alike. Then single units are moved as long as this makes the parts more alike. Parts are the more alike, the
/// fewer of them lack a class, and then the smaller the sum of the squared shares of all classes in all parts.
///
/// # Errors
/// If a class has fewer units than there are parts.
pub fn divide(
    examples: &[Example],
    classes: usize,
    parts: usize,
    seed: u64,
) -> Result<Vec<usize>, TooFew> {
    let mut sizes = vec![0usize; classes];
    for example in examples {
        sizes[example.label as usize] += 1;
    }
    let mut units: Vec<Unit> = split::units(examples)
        .into_iter()
        .map(|members| Unit::new(members, examples))
        .collect();
    for class in 0..classes {
        let having = |unit: &&Unit| unit.counts.iter().any(|&(known, _)| known == class);
        let found = units.iter().filter(having).count();
        if found < parts {
            return Err(TooFew {
                class,
                units: found,
            });
        }
    }
    units.shuffle(&mut random::stream(seed, "folds", [0, 0]));
    let weight = |unit: &Unit| -> f64 {
        let shares = unit.counts.iter();
        shares
            .map(|&(class, count)| (count as f64 / sizes[class] as f64).powi(2))
            .sum()
    };
    // The sort is stable, so units of equal weight stay shuffled.
    units.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    let mut division = Division::new(&sizes, parts);
    let mut places: Vec<usize> = units.iter().map(|unit| division.place(unit)).collect();
    for _ in 0..MOST_PASSES {
        let mut is_better = false;
        for (unit, place) in units.iter().zip(&mut places) {
            if let Some(better) = division.better(unit, *place) {
                division.remove(unit, *place);
                division.add(unit, better);
                *place = better;
                is_better = true;
            }
        }
        if !is_better {
            break;
        }
    }
    let mut of_example = vec![0; examples.len()];
    for (unit, place) in units.iter().zip(places) {
        unit.members.iter().for_each(|&i| of_example[i] = place);
    }
    Ok(of_example)
}

/// Images that stay together.
struct Unit {
    members: Vec<usize>,
    /// The classes of the images, ascending, and the number of images of each.
    counts: Vec<(usize, usize)>,
}

impl Unit {
    fn new(members: Vec<usize>, examples: &[Example]) -> Self {
        let mut labels: Vec<usize> = members
            .iter()
            .map(|&i| examples[i].label as usize)
            .collect();
        labels.sort_unstable();
        let counts = labels.chunk_by(|a, b| a == b);
        Self {
            counts: counts.map(|equal| (equal[0], equal.len())).collect(),
            members,
        }
    }
}

/// The number of images in each part so far.
struct Division<'a> {
    /// The number of images of each class.
    sizes: &'a [usize],
    /// By part and class.
    counts: Vec<Vec<usize>>,
    /// The number of images in each part.
    totals: Vec<usize>,
}

/// How much a change makes parts unlike each other: the number of classes that parts lack more than before, and the
/// increase of the sum of squared shares. Smaller is better.
type Cost = (isize, f64);

impl<'a> Division<'a> {
    fn new(sizes: &'a [usize], parts: usize) -> Self {
        Self {
            sizes,
            counts: vec![vec![0; sizes.len()]; parts],
            totals: vec![0; parts],
        }
    }

    /// Adds a unit to the part where it costs least. In a tie, prefers the smallest part, then the first.
    fn place(&mut self, unit: &Unit) -> usize {
        let costs = (0..self.totals.len()).map(|part| (self.cost_of_adding(unit, part), part));
        let best = costs.min_by(|((filled, squares), part), ((least, fewest), other)| {
            let by_cost = filled.cmp(least).then(squares.total_cmp(fewest));
            by_cost.then(self.totals[*part].cmp(&self.totals[*other]))
        });
        let part = best.map_or(0, |(_, part)| part);
        self.add(unit, part);
        part
    }

    fn cost_of_adding(&self, unit: &Unit, part: usize) -> Cost {
        let mut cost = (0, 0.0);
        for &(class, count) in &unit.counts {
            let there = self.counts[part][class];
            cost.0 -= isize::from(there == 0);
            cost.1 += (2 * there + count) as f64 * count as f64 / self.squared_size(class);
        }
        cost
    }

    /// Returns the part to which a unit of the part `from` should move; `None` if no move is an improvement.
    fn better(&self, unit: &Unit, from: usize) -> Option<usize> {
        let others = (0..self.totals.len()).filter(|&part| part != from);
        let costs = others.map(|part| (self.cost_of_moving(unit, from, part), part));
        let best = costs.min_by(|((lacking, squares), _), ((least, fewest), _)| {
            lacking.cmp(least).then(squares.total_cmp(fewest))
        });
        let ((lacking, squares), part) = best?;
        (lacking < 0 || (lacking == 0 && squares < -ROUNDING)).then_some(part)
    }

    fn cost_of_moving(&self, unit: &Unit, from: usize, to: usize) -> Cost {
        let mut cost = (0, 0.0);
        for &(class, count) in &unit.counts {
            let (here, there) = (self.counts[from][class], self.counts[to][class]);
            cost.0 += isize::from(here == count) - isize::from(there == 0);
            let change = there as f64 - here as f64 + count as f64;
            cost.1 += 2.0 * count as f64 * change / self.squared_size(class);
        }
        cost
    }

    fn add(&mut self, unit: &Unit, part: usize) {
        for &(class, count) in &unit.counts {
            self.counts[part][class] += count;
        }
        self.totals[part] += unit.members.len();
    }

    fn remove(&mut self, unit: &Unit, part: usize) {
        for &(class, count) in &unit.counts {
            self.counts[part][class] -= count;
        }
        self.totals[part] -= unit.members.len();
    }

    fn squared_size(&self, class: usize) -> f64 {
        (self.sizes[class] as f64).powi(2)
    }
}
