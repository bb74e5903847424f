//! Sets training images aside for validation.

use std::collections::HashMap;

use contract::random;
use rand::seq::SliceRandom;

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
    let share = |n: usize| (n as f64 * fraction).round().max(1.0) as usize;
    let targets: Vec<usize> = sizes.iter().map(|&n| share(n)).collect();

    let mut units = units(examples);
    units.shuffle(&mut random::stream(seed, "split", [0, 0]));
    let mut taken = vec![0usize; classes];
    let mut chosen = vec![false; examples.len()];
    for unit in units {
        let mut with = taken.clone();
        for &i in &unit {
            with[examples[i].label as usize] += 1;
        }
        let distance = |counts: &[usize]| -> usize {
            counts
                .iter()
                .zip(&targets)
                .map(|(&n, &target)| n.abs_diff(target))
                .sum()
        };
        let empties = (0..classes).any(|c| with[c] > taken[c] && with[c] == sizes[c]);
        if distance(&with) < distance(&taken) && !empties {
            unit.into_iter().for_each(|i| chosen[i] = true);
            taken = with;
        }
    }
    match taken.iter().position(|&n| n == 0) {
        Some(class) => Err(class),
        None => Ok(chosen),
    }
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
