//! Sets training images aside for validation, and divides images without splits.

use std::collections::HashMap;

use contract::{Invalid, random, ranges};
use rand::RngExt;
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::source::Example;

/// Chooses examples for validation: about `fraction` of each class. Returns for each example whether it is
/// chosen.
///
/// Images of one group, and images with the same bytes, stay together. The share of a class is therefore
/// approximate if there are such images, and exact otherwise. Every class keeps an image on the training side.
/// The choice depends on the names, groups, contents and `seed`, not on the order of the examples.
///
/// # Errors
/// If a class has too few groups to be on both sides. The error is the index of the class.
pub fn validation(
    examples: &[Example],
    classes: usize,
    fraction: f64,
    seed: u64,
) -> Result<Vec<bool>, usize> {
    let mut sizes = vec![0usize; classes];
    for example in examples {
        sizes[example.label as usize] += 1;
    }
    let targets: Vec<usize> = sizes.iter().map(|&n| share(n, fraction)).collect();
    let mut units = units(examples);
    units.shuffle(&mut random::stream(seed, "split", [0, 0]));
    let mut chosen = vec![false; examples.len()];
    for unit in take(&units, examples, &sizes, &targets)? {
        units[unit].iter().for_each(|&i| chosen[i] = true);
    }
    Ok(chosen)
}

/// Number of images that a share of `n` images has, at least one.
fn share(n: usize, fraction: f64) -> usize {
    (n as f64 * fraction).round().max(1.0) as usize
}

/// Takes units, in their order, as long as they bring the numbers of images closer to `targets`. No class is used up: of
/// its images, there are `sizes`. Returns the indices of the units.
///
/// # Errors
/// If a class has too few units for one of them to be taken. The error is the index of the class.
fn take(
    units: &[Vec<usize>],
    examples: &[Example],
    sizes: &[usize],
    targets: &[usize],
) -> Result<Vec<usize>, usize> {
    let mut taken = vec![0usize; sizes.len()];
    let mut chosen = Vec::new();
    for (index, unit) in units.iter().enumerate() {
        let mut with = taken.clone();
        for &i in unit {
            with[examples[i].label as usize] += 1;
        }
        let distance = |counts: &[usize]| -> usize {
            counts
                .iter()
                .zip(targets)
                .map(|(&n, &target)| n.abs_diff(target))
                .sum()
        };
        let empties = (0..sizes.len()).any(|c| with[c] > taken[c] && with[c] == sizes[c]);
        if distance(&with) < distance(&taken) && !empties {
            chosen.push(index);
            taken = with;
        }
    }
    match taken.iter().position(|&n| n == 0) {
        Some(class) => Err(class),
        None => Ok(chosen),
    }
}

/// Ratio of training, validation and test images, such as 70 : 15 : 15 or 0.7 : 0.15 : 0.15.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Ratio {
    /// Training images.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 100))]
    pub train: f64,
    /// Validation images. With 0, there are none.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub validation: f64,
    /// Test images.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 100))]
    pub test: f64,
}

impl Ratio {
    /// Largest number of a part.
    const MOST: f64 = 100.0;

    /// Checks the numbers.
    ///
    /// # Errors
    /// If one of them is out of range. The path begins with the name of the field.
    pub fn check(self) -> Result<(), Invalid> {
        ranges::above_zero("train", self.train, Self::MOST)?;
        ranges::above_zero("test", self.test, Self::MOST)?;
        if (0.0..=Self::MOST).contains(&self.validation) {
            return Ok(());
        }
        Err(Invalid::new(format!(
            "`validation` is {}; it must be between 0 and {}",
            self.validation,
            Self::MOST
        ))
        .under("validation"))
    }
}

/// The part of a dataset that an image is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Train,
    Validation,
    Test,
}

/// Divides examples in a ratio, which holds for each class. Returns the part of each example.
///
/// Images of one group, and images with the same bytes, stay together, so the ratio is approximate if there are any.
/// Units are taken in the order of random numbers that depend on their names and `seed` alone. So a part hardly changes
/// when images are added: only units at its border move.
///
/// # Errors
/// If a class has too few units to be in each part. The error is the index of the class.
pub fn draw(
    examples: &[Example],
    classes: usize,
    ratio: Ratio,
    seed: u64,
) -> Result<Vec<Part>, usize> {
    let whole = ratio.train + ratio.validation + ratio.test;
    let mut sizes = vec![0usize; classes];
    for example in examples {
        sizes[example.label as usize] += 1;
    }
    let targets = |part: f64| -> Vec<usize> {
        let of_class = sizes.iter().map(|&n| share(n, part / whole));
        of_class.collect()
    };
    let (for_test, for_validation) = (targets(ratio.test), targets(ratio.validation));
    let mut units = units(examples);
    units.sort_by_cached_key(|unit| {
        let name = name_of(unit, examples);
        let place: u64 = random::stream(seed, "draw", [random::fnv1a(name.as_bytes()), 0]).random();
        (place, name.to_owned())
    });
    let mut parts = vec![Part::Train; examples.len()];
    let mut left = sizes.clone();
    for (part, targets) in [
        (Part::Test, Some(for_test)),
        (
            Part::Validation,
            (ratio.validation > 0.0).then_some(for_validation),
        ),
    ] {
        let Some(targets) = targets else { continue };
        let mut taken = take(&units, examples, &left, &targets)?
            .into_iter()
            .peekable();
        let mut index = 0;
        units.retain(|unit| {
            let is_taken = taken.next_if_eq(&index).is_some();
            index += 1;
            for &i in unit.iter().filter(|_| is_taken) {
                parts[i] = part;
                left[examples[i].label as usize] -= 1;
            }
            !is_taken
        });
    }
    Ok(parts)
}

/// Returns a name of a unit that does not change when images are added to its group: that of a group or, if there is none,
/// of an image.
fn name_of<'a>(unit: &[usize], examples: &'a [Example]) -> &'a str {
    let groups = unit.iter().filter_map(|&i| examples[i].group.as_deref());
    let names = unit.iter().map(|&i| examples[i].name.as_str());
    groups.min().or(names.min()).unwrap_or_default()
}

/// Returns the sets of images that must stay together, in an order that depends only on names.
pub(super) fn units(examples: &[Example]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..examples.len()).collect();
    order.sort_unstable_by(|&a, &b| examples[a].name.cmp(&examples[b].name));

    let mut sets = DisjointSets::new(examples.len());
    let mut by_group = HashMap::new();
    let mut by_content = HashMap::new();
    for &i in &order {
        if let Some(group) = &examples[i].group {
            sets.join(i, *by_group.entry(group).or_insert(i));
        }
        if let Some(content) = examples[i].content {
            sets.join(i, *by_content.entry(content).or_insert(i));
        }
    }
    let mut units: Vec<Vec<usize>> = Vec::new();
    let mut unit_of = HashMap::new();
    for &i in &order {
        let unit = *unit_of.entry(sets.root(i)).or_insert_with(|| {
            units.push(Vec::new());
            units.len() - 1
        });
        units[unit].push(i);
    }
    units
}

/// Union-find with path halving.
pub(crate) struct DisjointSets(Vec<usize>);

impl DisjointSets {
    pub(crate) fn new(len: usize) -> Self {
        Self((0..len).collect())
    }

    pub(crate) fn root(&mut self, mut i: usize) -> usize {
        while self.0[i] != i {
            self.0[i] = self.0[self.0[i]];
            i = self.0[i];
        }
        i
    }

    pub(crate) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a] = b;
    }
}

/// Returns at most `limit` images of each class among `indices`, drawn by `seed`, in ascending order.
pub fn limited(examples: &[Example], indices: Vec<usize>, limit: usize, seed: u64) -> Vec<usize> {
    let mut order = indices;
    order.sort_unstable_by(|&a, &b| examples[a].name.cmp(&examples[b].name));
    order.shuffle(&mut random::stream(seed, "limit", [0, 0]));
    let mut left = HashMap::new();
    order.retain(|&i| {
        let left = left.entry(examples[i].label).or_insert(limit);
        let keep = *left > 0;
        *left -= usize::from(keep);
        keep
    });
    order.sort_unstable();
    order
}
