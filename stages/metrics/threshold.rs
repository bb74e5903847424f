//! Chooses decision thresholds, using validation data.
//!
//! An example is predicted positive if its score is at least the threshold.

use std::cmp::Ordering;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rule by which a threshold is chosen on validation images. The second class is positive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(inline)]
pub enum Criterion {
    /// The highest sensitivity + specificity − 1 (Youden, 1950).
    Youden,
    /// The highest F1.
    F1,
    /// The highest threshold with at least this sensitivity.
    Sensitivity(#[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))] f64),
    /// The lowest threshold with at least this specificity.
    Specificity(#[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))] f64),
    /// The least sum of the costs of all errors.
    Cost {
        /// Cost of an image of the second class that is taken for the first.
        #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1_000_000))]
        false_negative: f64,
        /// Cost of an image of the first class that is taken for the second.
        #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1_000_000))]
        false_positive: f64,
    },
}

/// A threshold that was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chosen {
    pub threshold: f32,
    /// `false` if no threshold reaches the sensitivity or specificity that the rule demands.
    pub reaches: bool,
}

impl Criterion {
    /// Chooses a threshold for `scores` in [0, 1].
    ///
    /// Candidates are the midpoints between neighbouring distinct scores, and between the least or greatest score and 0
    /// or 1. Of equally good candidates, the one closest to 0.5 is taken, and of two equally close ones the lower. If only
    /// one class occurs, the threshold is 0.5.
    pub fn choose(self, scores: &[f32], positive: &[bool]) -> Chosen {
        let candidates = candidates(scores, positive);
        let best = |better: &dyn Fn(&Cut, &Cut) -> Ordering| Chosen {
            threshold: best(&candidates, better),
            reaches: true,
        };
        match self {
            Self::Youden => best(&|a, b| by_fraction(a.youden(), b.youden())),
            Self::F1 => best(&|a, b| by_fraction(a.f1(), b.f1())),
            Self::Cost {
                false_negative,
                false_positive,
            } => {
                let cost = |cut: &Cut| {
                    let missed = (cut.positives - cut.true_positives) as f64;
                    false_negative * missed + false_positive * cut.false_positives as f64
                };
                best(&|a, b| cost(b).total_cmp(&cost(a)))
            }
            // Candidates are in descending order.
            Self::Sensitivity(least) => {
                let found = candidates
                    .iter()
                    .find(|(_, cut)| cut.has_sensitivity(least));
                reached(found, candidates.last())
            }
            Self::Specificity(least) => {
                let found = candidates
                    .iter()
                    .rfind(|(_, cut)| cut.has_specificity(least));
                reached(found, candidates.first())
            }
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Youden => f.write_str("highest Youden index"),
            Self::F1 => f.write_str("highest F1"),
            Self::Sensitivity(least) => write!(f, "sensitivity at least {least}"),
            Self::Specificity(least) => write!(f, "specificity at least {least}"),
            Self::Cost {
                false_negative,
                false_positive,
            } => write!(
                f,
                "least cost, false negative {false_negative}, false positive {false_positive}"
            ),
        }
    }
}

/// Numerator and positive denominator. A fraction is no float, so that equal ones compare as equal.
type Fraction = (i128, i128);

/// Tolerance for products of shares and numbers of images, such as 0.7 · 10.
const ROUNDING: f64 = 1e-9;

/// Counts of the examples that are predicted positive at a threshold, and of all examples.
struct Cut {
    true_positives: u64,
    false_positives: u64,
    positives: u64,
    negatives: u64,
}

impl Cut {
    /// Returns J · positives · negatives.
    fn youden(&self) -> Fraction {
        let gained = i128::from(self.true_positives) * i128::from(self.negatives);
        let lost = i128::from(self.false_positives) * i128::from(self.positives);
        (gained - lost, 1)
    }

    fn f1(&self) -> Fraction {
        let taken = self.true_positives + self.false_positives;
        (
            2 * i128::from(self.true_positives),
            i128::from(taken + self.positives),
        )
    }

    fn has_sensitivity(&self, least: f64) -> bool {
        self.true_positives as f64 + ROUNDING >= least * self.positives as f64
    }

    fn has_specificity(&self, least: f64) -> bool {
        let true_negatives = (self.negatives - self.false_positives) as f64;
        true_negatives + ROUNDING >= least * self.negatives as f64
    }
}

/// Returns the candidates by descending threshold; none if only one class occurs.
fn candidates(scores: &[f32], positive: &[bool]) -> Vec<(f32, Cut)> {
    let positives = positive.iter().filter(|p| **p).count() as u64;
    let negatives = positive.len() as u64 - positives;
    if positives == 0 || negatives == 0 {
        return Vec::new();
    }
    let mut examples: Vec<(f32, bool)> = scores
        .iter()
        .map(|score| score.clamp(0.0, 1.0))
        .zip(positive.iter().copied())
        .collect();
    examples.sort_by(|a, b| b.0.total_cmp(&a.0));
    let [mut true_positives, mut false_positives] = [0, 0];
    let cut = |true_positives, false_positives| Cut {
        true_positives,
        false_positives,
        positives,
        negatives,
    };
    let mut candidates = Vec::new();
    let mut above = 1.0;
    for &(score, is_positive) in &examples {
        if score < above {
            candidates.push((between(score, above), cut(true_positives, false_positives)));
        }
        above = score;
        if is_positive {
            true_positives += 1;
        } else {
            false_positives += 1;
        }
    }
    if above > 0.0 {
        candidates.push((between(0.0, above), cut(true_positives, false_positives)));
    }
    candidates
}

/// Returns the best threshold; 0.5 if there is no candidate.
fn best(candidates: &[(f32, Cut)], better: &dyn Fn(&Cut, &Cut) -> Ordering) -> f32 {
    let from_middle = |threshold: f32| (threshold - 0.5).abs();
    let best = candidates
        .iter()
        .max_by(|(t, a), (u, b)| better(a, b).then(from_middle(*u).total_cmp(&from_middle(*t))));
    best.map_or(0.5, |(threshold, _)| *threshold)
}

fn by_fraction((n, d): Fraction, (m, e): Fraction) -> Ordering {
    (n * e).cmp(&(m * d))
}

/// Returns the candidate that was found, or else the closest one; 0.5 if there is none.
fn reached(found: Option<&(f32, Cut)>, closest: Option<&(f32, Cut)>) -> Chosen {
    Chosen {
        threshold: found.or(closest).map_or(0.5, |(threshold, _)| *threshold),
        reaches: found.is_some() || closest.is_none(),
    }
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
    use super::{Chosen, Criterion, between};

    fn youden_threshold(scores: &[f32], positive: &[bool]) -> f32 {
        Criterion::Youden.choose(scores, positive).threshold
    }

    fn f1_threshold(scores: &[f32], positive: &[bool]) -> f32 {
        Criterion::F1.choose(scores, positive).threshold
    }

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

    const SCORES: [f32; 8] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2];
    const POSITIVE: [bool; 8] = [true, false, true, true, false, true, false, false];

    #[test]
    fn a_threshold_reaches_what_the_rule_demands_and_gives_up_no_more() {
        let chosen = |criterion: Criterion| {
            let threshold = f64::from(criterion.choose(&SCORES, &POSITIVE).threshold);
            (threshold * 1e6).round() / 1e6
        };
        // 3 of 4 positive images are at 0.6 or above, and 3 of 4 negative ones below 0.8.
        assert_eq!(chosen(Criterion::Sensitivity(0.75)), 0.55);
        assert_eq!(chosen(Criterion::Sensitivity(0.76)), 0.35);
        assert_eq!(chosen(Criterion::Sensitivity(1.0)), 0.35);
        assert_eq!(chosen(Criterion::Specificity(0.75)), 0.55);
        assert_eq!(chosen(Criterion::Specificity(0.5)), 0.35);
        assert_eq!(chosen(Criterion::Specificity(1.0)), 0.85);
        let cost = |false_negative, false_positive| {
            chosen(Criterion::Cost {
                false_negative,
                false_positive,
            })
        };
        // Missing no positive image costs 2 false positives.
        assert_eq!(cost(5.0, 1.0), 0.35);
        // No false positive costs 3 missed images.
        assert_eq!(cost(1.0, 5.0), 0.85);
        // 1 + 1 errors at 0.55 and 0 + 2 at 0.35: a tie that 0.55 wins.
        assert_eq!(cost(1.0, 1.0), 0.55);
    }

    #[test]
    fn a_demand_that_no_threshold_meets_is_reported() {
        let sensitivity =
            Criterion::Sensitivity(1.0).choose(&[0.0, 0.5, 0.75], &[true, false, true]);
        let expected = Chosen {
            threshold: 0.25,
            reaches: false,
        };
        assert_eq!(sensitivity, expected);
        let specificity =
            Criterion::Specificity(0.9).choose(&[0.0, 1.0, 0.5], &[true, false, true]);
        assert_eq!((specificity.threshold, specificity.reaches), (0.75, false));
        let one_class = Criterion::Sensitivity(0.9).choose(&[0.3], &[true]);
        assert_eq!((one_class.threshold, one_class.reaches), (0.5, true));
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

        #[test]
        fn no_higher_threshold_has_the_sensitivity_and_no_other_costs_less(
            examples in prop::collection::vec((0.01f32..=0.99, any::<bool>()), 2..40),
            other in 0.001f32..0.999,
            least in 0.05f64..1.0,
        ) {
            let (scores, positive): (Vec<f32>, Vec<bool>) = examples.into_iter().unzip();
            if positive.contains(&true) && positive.contains(&false) {
                let counts = |threshold: f32| {
                    let of = |wanted: bool| {
                        let pairs = scores.iter().zip(&positive).filter(|(_, p)| **p == wanted);
                        let (above, all) = pairs.fold((0, 0), |(above, all), (s, _)| {
                            (above + i32::from(*s >= threshold), all + 1)
                        });
                        (f64::from(above), f64::from(all))
                    };
                    let ((hits, positives), (mistakes, negatives)) = (of(true), of(false));
                    (hits / positives, 1.0 - mistakes / negatives, 5.0 * (positives - hits) + mistakes)
                };
                let sensitive = Criterion::Sensitivity(least).choose(&scores, &positive);
                prop_assert!(sensitive.reaches && counts(sensitive.threshold).0 >= least - 1e-9);
                // A higher one makes the same decisions, or is less sensitive.
                if other > sensitive.threshold && counts(other).0 >= least {
                    prop_assert_eq!(counts(other), counts(sensitive.threshold));
                }
                let specific = Criterion::Specificity(least).choose(&scores, &positive);
                prop_assert!(specific.reaches && counts(specific.threshold).1 >= least - 1e-9);
                if other < specific.threshold && counts(other).1 >= least {
                    prop_assert_eq!(counts(other), counts(specific.threshold));
                }
                let rule = Criterion::Cost { false_negative: 5.0, false_positive: 1.0 };
                let cheap = rule.choose(&scores, &positive).threshold;
                prop_assert!(counts(cheap).2 <= counts(other).2);
            }
        }
    }
}
