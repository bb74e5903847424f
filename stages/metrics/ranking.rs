//! Measures how well scores rank the positive examples above the others.

/// Examples ordered by score, in groups of equal score.
pub struct Ranking {
    /// Indices of the examples, by descending score.
    order: Vec<u32>,
    /// Ends (in `order`) of the groups of equal score.
    ends: Vec<usize>,
    positive: Vec<bool>,
}

impl Ranking {
    /// Ranks `scores` (no NaN), one for each element of `positive`.
    pub fn new(scores: &[f32], positive: &[bool]) -> Self {
        Self::of((0..scores.len() as u32).collect(), scores, positive)
    }

    /// Ranks the examples in `order` only, by their `scores`.
    pub(super) fn of(mut order: Vec<u32>, scores: &[f32], positive: &[bool]) -> Self {
        order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
        let mut ends: Vec<usize> = (1..order.len())
            // `!=`, not the order's comparison, because 0 and −0 are one score.
            .filter(|&i| scores[order[i] as usize] != scores[order[i - 1] as usize])
            .collect();
        if !order.is_empty() {
            ends.push(order.len());
        }
        Self {
            order,
            ends,
            positive: positive.to_vec(),
        }
    }

    /// Returns the numbers of positive and negative examples in each group of equal score, by descending score.
    /// Each example is counted as often as its weight.
    fn groups<'a>(&'a self, weights: &'a [u32]) -> impl Iterator<Item = (u64, u64)> + 'a {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let group = &self.order[start..end];
            start = end;
            group.iter().fold((0, 0), |(positive, negative), &i| {
                let weight = u64::from(weights[i as usize]);
                if self.positive[i as usize] {
                    (positive + weight, negative)
                } else {
                    (positive, negative + weight)
                }
            })
        })
    }

    /// Returns the ROC curve from (0, 0) to (1, 1): false positive rate and true positive rate at each
    /// distinct score. `None` unless both classes occur.
    pub fn roc_curve(&self) -> Option<Vec<(f64, f64)>> {
        let weights = vec![1; self.positive.len()];
        let mut curve = vec![(0, 0)];
        let (mut positives, mut negatives) = (0, 0);
        for (positive, negative) in self.groups(&weights) {
            positives += positive;
            negatives += negative;
            curve.push((negatives, positives));
        }
        if positives == 0 || negatives == 0 {
            return None;
        }
        let rate = |(n, p)| (n as f64 / negatives as f64, p as f64 / positives as f64);
        Some(curve.into_iter().map(rate).collect())
    }

    /// Returns twice the number of pairs (positive, negative) in the right order, where ties count half, and twice the
    /// number of all pairs.
    fn pairs(&self, weights: &[u32]) -> [u64; 2] {
        let (mut pairs, mut positives, mut negatives) = (0, 0, 0);
        for (positive, negative) in self.groups(weights) {
            pairs += negative * (2 * positives + positive);
            positives += positive;
            negatives += negative;
        }
        [pairs, 2 * positives * negatives]
    }

    /// Returns the sum of the precision at each positive example, and the number of positive examples.
    fn precision(&self, weights: &[u32]) -> (f64, u64) {
        let (mut sum, mut positives, mut taken) = (0.0, 0, 0);
        for (positive, negative) in self.groups(weights) {
            positives += positive;
            taken += positive + negative;
            if positive > 0 {
                sum += positive as f64 * (positives as f64 / taken as f64);
            }
        }
        (sum, positives)
    }
}

/// Returns the area under the ROC curve of examples in several rankings, each counted as often as its weight: the share
/// of the pairs (positive, negative) within a ranking that are in the right order. This is the mean of the rankings'
/// areas, weighted by their numbers of pairs. `None` if there is no pair.
pub(super) fn area_within(rankings: &[Ranking], weights: &[u32]) -> Option<f64> {
    let counts = rankings.iter().map(|ranking| ranking.pairs(weights));
    let [pairs, all] = counts.fold([0, 0], |[pairs, all], [of_one, all_of_one]| {
        [pairs + of_one, all + all_of_one]
    });
    (all > 0).then(|| pairs as f64 / all as f64)
}

/// Returns the average precision of examples in several rankings, each counted as often as its weight: the mean over all
/// positive examples of the precision in their ranking. `None` if there is no positive example.
pub(super) fn precision_within(rankings: &[Ranking], weights: &[u32]) -> Option<f64> {
    let sums = rankings.iter().map(|ranking| ranking.precision(weights));
    let (sum, positives) = sums.fold((0.0, 0), |(sum, positives), (of_one, positives_of_one)| {
        (sum + of_one, positives + positives_of_one)
    });
    (positives > 0).then(|| sum / positives as f64)
}

/// Returns the area under the ROC curve: the probability that a positive example has a higher score than a
/// negative one, where equal scores count half (the Mann–Whitney statistic). `None` unless both classes
/// occur.
pub fn roc_auc(scores: &[f32], positive: &[bool]) -> Option<f64> {
    let ranking = Ranking::new(scores, positive);
    area_within(&[ranking], &vec![1; scores.len()])
}

/// Returns the average precision: Σ (Rₙ − Rₙ₋₁) Pₙ over the distinct scores from high to low. P and R are the
/// precision and recall if everything down to that score is predicted positive. `None` if there is no
/// positive example.
pub fn average_precision(scores: &[f32], positive: &[bool]) -> Option<f64> {
    let ranking = Ranking::new(scores, positive);
    precision_within(&[ranking], &vec![1; scores.len()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Ranking, area_within, average_precision, precision_within, roc_auc};

    const LABELS: [bool; 4] = [false, false, true, true];
    // The example of scikit-learn's documentation: AUC 0.75, average precision 0.8333….
    const SCORES: [f32; 4] = [0.1, 0.4, 0.35, 0.8];

    #[test]
    fn known_values() {
        assert_eq!(roc_auc(&SCORES, &LABELS), Some(0.75));
        let ap = average_precision(&SCORES, &LABELS).unwrap();
        assert!((ap - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-15);
        let curve = Ranking::new(&SCORES, &LABELS).roc_curve().unwrap();
        assert_eq!(
            curve,
            [(0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)]
        );
    }

    #[test]
    fn ties_count_half() {
        assert_eq!(roc_auc(&[0.5; 4], &LABELS), Some(0.5));
        assert_eq!(average_precision(&[0.5; 4], &LABELS), Some(0.5));
        // Pairs: (0.5, 0.2) right, (0.5, 0.5) half, (0.9, both) right: 3.5 of 4.
        assert_eq!(roc_auc(&[0.2, 0.5, 0.5, 0.9], &LABELS), Some(0.875));
        assert_eq!(roc_auc(&[0.0, -0.0], &[false, true]), Some(0.5));
    }

    #[test]
    fn undefined_without_both_classes() {
        assert_eq!(roc_auc(&[0.1, 0.9], &[true, true]), None);
        assert_eq!(roc_auc(&[], &[]), None);
        assert_eq!(average_precision(&[0.1, 0.9], &[true, true]), Some(1.0));
        assert_eq!(average_precision(&[0.1, 0.9], &[false, false]), None);
        assert_eq!(Ranking::new(&[0.3], &[true]).roc_curve(), None);
    }

    #[test]
    fn weights_are_repetitions() {
        let repeated = Ranking::new(
            &[0.1, 0.4, 0.4, 0.35, 0.8, 0.8, 0.8],
            &[false, false, false, true, true, true, true],
        );
        let weighted = Ranking::new(&SCORES, &LABELS);
        let (weighted, repeated) = ([weighted], [repeated]);
        assert_eq!(
            area_within(&weighted, &[1, 2, 1, 3]),
            area_within(&repeated, &[1; 7])
        );
        assert_eq!(
            precision_within(&weighted, &[1, 2, 1, 3]),
            precision_within(&repeated, &[1; 7])
        );
    }

    /// Generates few distinct scores, so that ties are common.
    fn examples() -> impl Strategy<Value = (Vec<f32>, Vec<bool>)> {
        prop::collection::vec((0u8..12, any::<bool>()), 2..60).prop_map(|examples| {
            examples
                .into_iter()
                .map(|(s, p)| (f32::from(s) / 12.0, p))
                .unzip()
        })
    }

    proptest! {
        #[test]
        fn auc_is_the_share_of_ordered_pairs((scores, positive) in examples()) {
            let (mut right, mut all) = (0.0, 0);
            for (i, _) in positive.iter().enumerate().filter(|(_, p)| **p) {
                for (j, _) in positive.iter().enumerate().filter(|(_, p)| !**p) {
                    all += 1;
                    right += if scores[i] > scores[j] { 1.0 } else if scores[i] == scores[j] { 0.5 } else { 0.0 };
                }
            }
            prop_assert_eq!(roc_auc(&scores, &positive), (all > 0).then(|| right / f64::from(all)));
        }

        #[test]
        fn auc_is_the_area_under_the_curve((scores, positive) in examples()) {
            let ranking = Ranking::new(&scores, &positive);
            let area = ranking.roc_curve().map(|curve| {
                curve.windows(2).map(|w| (w[1].0 - w[0].0) * (w[1].1 + w[0].1) / 2.0).sum::<f64>()
            });
            match (area, roc_auc(&scores, &positive)) {
                (Some(area), Some(auc)) => prop_assert!((area - auc).abs() < 1e-12),
                (area, auc) => prop_assert_eq!(area, auc),
            }
        }

        #[test]
        fn auc_depends_only_on_the_order((scores, positive) in examples()) {
            let bent: Vec<f32> = scores.iter().map(|s| (3.0 * s).exp() - 7.0).collect();
            prop_assert_eq!(roc_auc(&bent, &positive), roc_auc(&scores, &positive));
            prop_assert_eq!(average_precision(&bent, &positive), average_precision(&scores, &positive));
        }

        #[test]
        fn auc_of_the_reversed_order_is_one_minus_auc((scores, positive) in examples()) {
            let reversed: Vec<f32> = scores.iter().map(|s| -s).collect();
            if let (Some(a), Some(b)) = (roc_auc(&scores, &positive), roc_auc(&reversed, &positive)) {
                prop_assert!((a + b - 1.0).abs() < 1e-12);
            }
        }

        #[test]
        fn average_precision_is_a_share((scores, positive) in examples()) {
            if let Some(ap) = average_precision(&scores, &positive) {
                prop_assert!(ap > 0.0 && ap <= 1.0);
            }
        }
    }
}
