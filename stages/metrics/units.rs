//! [`Units`]: the images or groups of images that the bootstrap draws.

use std::collections::HashMap;

use contract::analysis::Over;
use rand::{Rng, RngExt};

/// The units of a test set: groups of images, such as patients, or single images.
///
/// Images of one group resemble each other, so they say less than as many images of different groups. Resampling
/// whole groups accounts for this (the cluster bootstrap: Davison and Hinkley, 1997, section 3.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units {
    /// The unit of each image.
    of: Vec<u32>,
    count: usize,
    is_grouped: bool,
}

impl Units {
    /// Makes each of `images` images a unit.
    pub fn images(images: usize) -> Self {
        Self {
            of: (0..images as u32).collect(),
            count: images,
            is_grouped: false,
        }
    }

    /// Makes each group a unit. `groups` has the group of each image.
    pub fn groups(groups: &[String]) -> Self {
        let mut known = HashMap::new();
        let of = groups.iter().map(|group| {
            let next = known.len() as u32;
            *known.entry(group).or_insert(next)
        });
        Self {
            of: of.collect(),
            count: known.len(),
            is_grouped: true,
        }
    }

    /// Returns the number of units.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the source of variation that resamples of the units cover.
    pub fn over(&self) -> Over {
        match self.is_grouped {
            true => Over::Groups,
            false => Over::Images,
        }
    }

    /// Returns the unit of each image.
    pub(super) fn of(&self) -> &[u32] {
        &self.of
    }

    /// Returns the number of images.
    pub(super) fn len(&self) -> usize {
        self.of.len()
    }

    /// Draws as many units as there are, with replacement. Each weight is set to the number of times that its
    /// image's unit was drawn. `drawn` is memory for the numbers of draws.
    pub(super) fn draw(&self, drawn: &mut Vec<u32>, weights: &mut [u32], rng: &mut impl Rng) {
        drawn.clear();
        drawn.resize(self.count, 0);
        for _ in 0..self.count {
            drawn[rng.random_range(0..self.count)] += 1;
        }
        for (weight, &unit) in weights.iter_mut().zip(&self.of) {
            *weight = drawn[unit as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::random;

    use super::Units;

    fn drawn(units: &Units) -> Vec<u32> {
        let mut weights = vec![0; units.len()];
        let mut rng = random::stream(1, "test", [0, 0]);
        units.draw(&mut Vec::new(), &mut weights, &mut rng);
        weights
    }

    #[test]
    fn images_of_one_group_are_drawn_together() {
        let groups = ["a", "c", "b", "a", "d", "b", "a"].map(str::to_owned);
        let units = Units::groups(&groups);
        assert_eq!(units.count, 4);
        for seed in 0..20 {
            let mut weights = vec![0; 7];
            let mut rng = random::stream(seed, "test", [0, 0]);
            units.draw(&mut Vec::new(), &mut weights, &mut rng);
            assert!(weights[0] == weights[3] && weights[3] == weights[6]);
            assert_eq!(weights[2], weights[5]);
            assert_eq!(weights[0] + weights[1] + weights[2] + weights[4], 4);
        }
    }

    #[test]
    fn groups_of_one_image_are_drawn_like_single_images() {
        let names: Vec<String> = (0..9).map(|i| i.to_string()).collect();
        assert_eq!(drawn(&Units::groups(&names)), drawn(&Units::images(9)));
    }
}
