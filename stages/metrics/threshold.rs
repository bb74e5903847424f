//! Chooses decision thresholds, using validation data.
//!
//! An example is predicted positive if its score is at least the threshold.

/// Returns the threshold that maximizes Youden's J (recall + specificity − 1) for `scores` in [0, 1].
/// Candidates are the midpoints between neighbouring distinct scores, and between the least or greatest score
/// and 0 or 1. Of equally good candidates, the one closest to 0.5 is taken, and of two equally close ones the
/// lower. If only one class occurs, the threshold is 0.5.
pub fn youden_threshold(scores: &[f32], positive: &[bool]) -> f32 {
    best_threshold(scores, positive, |cut| {
        // J · positives · negatives, a whole number.
        let gained = i128::from(cut.true_positives) * i128::from(cut.negatives);
        let lost = i128::from(cut.false_positives) * i128::from(cut.positives);
        (gained - lost, 1)
    })
}

/// Returns the threshold that maximizes the F1 of the positive class. Candidates and ties are treated as in
/// [`youden_threshold`].
pub fn f1_threshold(scores: &[f32], positive: &[bool]) -> f32 {
    best_threshold(scores, positive, |cut| {
        let taken = cut.true_positives + cut.false_positives;
        (
            2 * i128::from(cut.true_positives),
            i128::from(taken + cut.positives),
        )
    })
}

/// Counts of the examples that are predicted positive at a threshold, and of all examples.
struct Cut {
    true_positives: u64,
    false_positives: u64,
    positives: u64,
    negatives: u64,
}

/// Returns the candidate with the largest `merit`. A merit is a fraction with a positive denominator, not a float,
/// so that equal merits compare as equal.
fn best_threshold(scores: &[f32], positive: &[bool], merit: impl Fn(&Cut) -> (i128, i128)) -> f32 {
    let positives = positive.iter().filter(|p| **p).count() as u64;
    let negatives = positive.len() as u64 - positives;
    if positives == 0 || negatives == 0 {
        return 0.5;
    }

    let mut examples: Vec<(f32, bool)> = scores
        .iter()
        .map(|score| score.clamp(0.0, 1.0))
        .zip(positive.iter().copied())
        .collect();
    examples.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut cut = Cut {
        true_positives: 0,
        false_positives: 0,
        positives,
        negatives,
    };
    let mut candidates = Vec::new();
    let mut above = 1.0;
    for &(score, is_positive) in &examples {
        if score < above {
            candidates.push((between(score, above), merit(&cut)));
        }
        above = score;
        if is_positive {
            cut.true_positives += 1;
        } else {
            cut.false_positives += 1;
        }
    }
    if above > 0.0 {
        candidates.push((between(0.0, above), merit(&cut)));
    }

    let from_middle = |threshold: f32| (threshold - 0.5).abs();
    candidates
        .into_iter()
        .max_by(|(t, (n, d)), (u, (m, e))| {
            (n * e)
                .cmp(&(m * d))
                .then(from_middle(*u).total_cmp(&from_middle(*t)))
        })
        .map_or(0.5, |(threshold, _)| threshold)
}

/// Returns the midpoint of two distinct scores. It is above `low` even if there is no number between them.
fn between(low: f32, high: f32) -> f32 {
    let middle = low + (high - low) / 2.0;
    if middle > low { middle } else { high }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Confusion;
    use super::{between, f1_threshold, youden_threshold};

    #[test]
    fn separable_scores_are_separated_in_the_middle() {
        let (scores, positive) = ([0.125, 0.25, 0.75, 0.875], [false, false, true, true]);
        assert_eq!(youden_threshold(&scores, &positive), 0.5);
        assert_eq!(f1_threshold(&scores, &positive), 0.5);
    }

    #[test]
    fn youden_and_f1_differ_where_positives_are_rare() {
        // Taking only the first positive gives J = 1/2 + 1 − 1 and F1 = 2/3. Taking both, with the two
        // negatives between them, gives J = 1 + 3/5 − 1 and F1 = 4/6: a tie, which 0.375 wins. With three
        // negatives between them, F1 is 4/7.
        let scores = [0.875, 0.75, 0.6875, 0.5, 0.25, 0.125, 0.0625];
        let positive = [true, false, false, true, false, false, false];
        assert_eq!(youden_threshold(&scores, &positive), 0.375);
        assert_eq!(f1_threshold(&scores, &positive), 0.375);

        let scores = [0.875, 0.75, 0.6875, 0.625, 0.5, 0.25, 0.125, 0.0625];
        let positive = [true, false, false, false, true, false, false, false];
        // J = 1/2 for both: a tie again, won by 0.375 against 0.8125.
        assert_eq!(youden_threshold(&scores, &positive), 0.375);
        assert_eq!(f1_threshold(&scores, &positive), 0.8125);
    }

    #[test]
    fn ties_go_towards_the_middle() {
        // Equally good (J = 1/2): 0.3125 and 0.6875, equally far from the middle.
        let scores = [0.25, 0.375, 0.625, 0.75];
        let positive = [false, true, false, true];
        assert_eq!(youden_threshold(&scores, &positive), 0.3125);
        // Equally good: 0.25 and 0.6875, which is closer to the middle.
        let scores = [0.125, 0.375, 0.625, 0.75];
        assert_eq!(youden_threshold(&scores, &positive), 0.6875);
    }

    #[test]
    fn one_class_or_one_score() {
        assert_eq!(youden_threshold(&[0.9, 0.8], &[true, true]), 0.5);
        assert_eq!(f1_threshold(&[0.9, 0.8], &[false, false]), 0.5);
        assert_eq!(f1_threshold(&[], &[]), 0.5);
        // Taking all (F1 = 2/3) is better than taking none.
        assert_eq!(f1_threshold(&[0.75, 0.75], &[true, false]), 0.375);
        assert_eq!(youden_threshold(&[0.0, 1.0], &[false, true]), 0.5);
    }

    #[test]
    fn neighbouring_floats_are_still_separated() {
        let low = 0.7f32;
        let high = f32::from_bits(low.to_bits() + 1);
        assert_eq!(between(low, high), high);
    }

    fn merits(scores: &[f32], positive: &[bool], threshold: f32) -> (f64, f64) {
        let actual: Vec<u32> = positive.iter().map(|&p| u32::from(p)).collect();
        let predicted: Vec<u32> = scores.iter().map(|&s| u32::from(s >= threshold)).collect();
        let c = Confusion::new(&actual, &predicted, 2);
        (
            c.recall(1).unwrap() + c.specificity(1).unwrap() - 1.0,
            c.f1(1).unwrap(),
        )
    }

    proptest! {
        #[test]
        fn no_other_threshold_is_better(
            examples in prop::collection::vec((0.0f32..=1.0, any::<bool>()), 2..40),
            other in 0.001f32..0.999,
        ) {
            let (scores, positive): (Vec<f32>, Vec<bool>) = examples.into_iter().unzip();
            if positive.contains(&true) && positive.contains(&false) {
                let (j, f1) = merits(&scores, &positive, other);
                let (youden, best_f1) =
                    (youden_threshold(&scores, &positive), f1_threshold(&scores, &positive));
                prop_assert!(merits(&scores, &positive, youden).0 >= j - 1e-12);
                prop_assert!(merits(&scores, &positive, best_f1).1 >= f1 - 1e-12);
                prop_assert!(0.0 < youden && youden <= 1.0);
            }
        }
    }
}
