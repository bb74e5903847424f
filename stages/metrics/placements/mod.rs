//! [`Placements`]: the variance of the area under a ROC curve, and the test of two correlated areas.

use contract::analysis::DeLong;
use statrs::distribution::{ContinuousCDF, Normal};

use super::units::Units;

/// The area under a ROC curve, and how much each example deviates from it.
///
/// The placement value of a positive example is the share of negative examples with a lower score, and that of a
/// negative example the share of positive ones with a higher score, where equal scores count half. The mean placement
/// value of either class is the area. DeLong, DeLong and Clarke-Pearson (1988) estimate the variance of the area from
/// those of the placement values. Obuchowski (1997) sums the deviations within each cluster, such as a patient, first;
/// with clusters of one example, both are the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Placements {
    area: f64,
    /// The placement value of each example minus the area.
    deviations: Vec<f64>,
    is_positive: Vec<bool>,
}

impl Placements {
    /// Computes placement values from ranks (Sun and Xu, 2014), in O(n log n). `scores` are not NaN. `None` unless both
    /// classes occur.
    pub fn new(scores: &[f32], is_positive: &[bool]) -> Option<Self> {
        let all: Vec<usize> = (0..scores.len()).collect();
        let (positives, negatives): (Vec<usize>, Vec<usize>) =
            all.iter().partition(|&&i| is_positive[i]);
        let (m, n) = (positives.len() as f64, negatives.len() as f64);
        if positives.is_empty() || negatives.is_empty() {
            return None;
        }
        let mut placements = vec![0.0; scores.len()];
        let among_all = midranks(scores, &all);
        for (members, others) in [(&positives, n), (&negatives, m)] {
            for (&i, rank) in members.iter().zip(midranks(scores, members)) {
                // The number of examples of the other class with a lower score.
                let lower = among_all[i] - rank;
                placements[i] = match is_positive[i] {
                    true => lower / others,
                    false => 1.0 - lower / others,
                };
            }
        }
        let area = positives.iter().map(|&i| placements[i]).sum::<f64>() / m;
        Some(Self {
            area,
            deviations: placements.iter().map(|placed| placed - area).collect(),
            is_positive: is_positive.to_vec(),
        })
    }

    pub fn area(&self) -> f64 {
        self.area
    }

    /// Returns the variance of the area for other examples; `None` if fewer than two units have positive or negative
    /// examples, or if the variance is 0: then the examples say nothing about others, as with an area of 1.
    pub fn variance(&self, units: &Units) -> Option<f64> {
        self.variance_of(&self.deviations, units)
    }

    /// Returns the 95 % interval of the area, from the normal distribution, within 0 and 1.
    pub fn interval(&self, units: &Units) -> Option<[f64; 2]> {
        let half = Normal::standard().inverse_cdf(0.975) * self.variance(units)?.sqrt();
        Some([(self.area - half).max(0.0), (self.area + half).min(1.0)])
    }

    /// Tests whether the area differs from that of `other`, which has the same examples. `None` if the variance of the
    /// difference is unknown.
    pub fn test(&self, other: &Self, units: &Units) -> Option<DeLong> {
        if self.is_positive != other.is_positive {
            return None;
        }
        let both = self.deviations.iter().zip(&other.deviations);
        let deviations: Vec<f64> = both.map(|(ours, theirs)| ours - theirs).collect();
        let z = (self.area - other.area) / self.variance_of(&deviations, units)?.sqrt();
        Some(DeLong {
            z,
            p: 2.0 * Normal::standard().sf(z.abs()),
        })
    }

    /// Returns the variance of an area, or of a difference of areas, from the deviations of the examples.
    fn variance_of(&self, deviations: &[f64], units: &Units) -> Option<f64> {
        // For each class (positive first): examples, units with such examples, and sums of the deviations by unit.
        let mut examples = [0.0_f64; 2];
        let mut sums = vec![[0.0; 2]; units.count()];
        let mut occurs = vec![[false; 2]; units.count()];
        for ((&unit, &is_positive), deviation) in
            units.of().iter().zip(&self.is_positive).zip(deviations)
        {
            let (unit, class) = (unit as usize, usize::from(!is_positive));
            examples[class] += 1.0;
            sums[unit][class] += deviation;
            occurs[unit][class] = true;
        }
        let of_class = |class: usize| {
            let count = occurs.iter().filter(|occurs| occurs[class]).count() as f64;
            let squares: f64 = sums.iter().map(|sum| sum[class] * sum[class]).sum();
            (count >= 2.0).then(|| count / (count - 1.0) * squares / examples[class].powi(2))
        };
        let count = units.count() as f64;
        let products: f64 = sums.iter().map(|sum| sum[0] * sum[1]).sum();
        let common = 2.0 * count / (count - 1.0) * products / (examples[0] * examples[1]);
        let variance = of_class(0)? + of_class(1)? + common;
        // Rounding errors of placement values are about 1e-16.
        (variance > 1e-24).then_some(variance)
    }
}

/// Returns the rank of each of `members` among them, by ascending score, from 1. Equal scores get their mean rank.
fn midranks(scores: &[f32], members: &[usize]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    let score = |place: usize| scores[members[place]];
    order.sort_by(|&a, &b| score(a).total_cmp(&score(b)));
    let mut ranks = vec![0.0; members.len()];
    let mut start = 0;
    // `==`, not the order's comparison, because 0 and −0 are one score.
    for equal in order.chunk_by(|&a, &b| score(a) == score(b)) {
        let rank = start as f64 + (equal.len() as f64 + 1.0) / 2.0;
        for &place in equal {
            ranks[place] = rank;
        }
        start += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests;
