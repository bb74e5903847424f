//! [`Line`]: logistic regression on one score, by Newton's method.

use super::root::root;

/// A logit that depends linearly on a score: slope · score + intercept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    pub slope: f64,
    pub intercept: f64,
}

/// Scores with the share of positives that is observed at each (0 or 1, or a smoothed target), each counted as often as
/// its weight.
#[derive(Clone, Copy)]
pub struct Examples<'a> {
    pub scores: &'a [f64],
    pub targets: &'a [f64],
    pub weights: &'a [u32],
}

/// Most steps of Newton's method. It usually takes fewer than ten.
const MOST_STEPS: usize = 100;

/// Relative change of slope and intercept that is too small for another step.
const LEAST_STEP: f64 = 1e-10;

/// Relative difference of two losses that counts as rounding.
const ROUNDING: f64 = 1e-13;

/// Smallest share of a step that is tried.
const SMALLEST_SHARE: f64 = 1e-9;

/// The loss at a line, with its first and second derivatives by slope and intercept.
#[derive(Clone, Copy, Default)]
struct Local {
    loss: f64,
    /// By the slope, and by the intercept.
    gradient: [f64; 2],
    /// Twice by the slope, by both, and twice by the intercept.
    curvature: [f64; 3],
}

impl Local {
    /// Returns Newton's step; `None` if the loss has no curvature here.
    fn newton(&self) -> Option<Line> {
        let [a, b, c] = self.curvature;
        let determinant = a * c - b * b;
        let [of_slope, of_intercept] = self.gradient;
        (determinant > 0.0).then(|| Line {
            slope: -(c * of_slope - b * of_intercept) / determinant,
            intercept: -(a * of_intercept - b * of_slope) / determinant,
        })
    }
}

impl Examples<'_> {
    fn at(&self, line: Line) -> Local {
        let mut local = Local::default();
        let examples = self.scores.iter().zip(self.targets).zip(self.weights);
        for ((&score, &target), &weight) in examples {
            if weight == 0 {
                continue;
            }
            let weight = f64::from(weight);
            let logit = line.slope * score + line.intercept;
            let small = (-logit.abs()).exp();
            // Both are computed by themselves, because 1 minus a share that is almost 1 would be 0.
            let [share, rest] = match logit < 0.0 {
                true => [small / (1.0 + small), 1.0 / (1.0 + small)],
                false => [1.0 / (1.0 + small), small / (1.0 + small)],
            };
            local.loss += weight * (logit.max(0.0) + small.ln_1p() - target * logit);
            let error = weight * ((1.0 - target) * share - target * rest);
            local.gradient[0] += error * score;
            local.gradient[1] += error;
            let bend = weight * small / ((1.0 + small) * (1.0 + small));
            local.curvature[0] += bend * score * score;
            local.curvature[1] += bend * score;
            local.curvature[2] += bend;
        }
        local
    }

    /// Fits slope and intercept by maximum likelihood, with steps that begin at `start`; `None` if the scores do not
    /// determine a slope, because they are all the same. Targets of 0 and 1 must overlap (see [`Examples::overlap`]), or
    /// there is no maximum.
    pub fn fit(&self, start: Line) -> Option<Line> {
        let drawn = || {
            let pairs = self.scores.iter().zip(self.weights);
            pairs
                .filter(|(_, weight)| **weight > 0)
                .map(|(&score, _)| score)
        };
        let first = drawn().next()?;
        if drawn().all(|score| score == first) {
            return None;
        }
        // Far from the minimum, all shares may be 0 or 1, where the loss has no curvature.
        let flat = Line {
            slope: 0.0,
            intercept: 0.0,
        };
        self.minimize(start).or_else(|| self.minimize(flat))
    }

    /// Takes Newton's steps, and halves those that increase the loss, which is convex. `None` if they end elsewhere than
    /// in the minimum.
    fn minimize(&self, start: Line) -> Option<Line> {
        let mut line = start;
        let mut local = self.at(line);
        for _ in 0..MOST_STEPS {
            let full = local.newton()?;
            let mut share = 1.0;
            let (next, there) = loop {
                let next = Line {
                    slope: line.slope + share * full.slope,
                    intercept: line.intercept + share * full.intercept,
                };
                let there = self.at(next);
                if there.loss <= local.loss + ROUNDING * local.loss.abs() {
                    break (next, there);
                }
                share /= 2.0;
                if share < SMALLEST_SHARE {
                    return None;
                }
            };
            let step = (next.slope - line.slope).abs();
            let step = step.max((next.intercept - line.intercept).abs());
            let size = 1.0 + line.slope.abs().max(line.intercept.abs());
            (line, local) = (next, there);
            if share == 1.0 && step <= LEAST_STEP * size {
                return Some(line);
            }
        }
        None
    }

    /// Fits the intercept of a line with a given slope by maximum likelihood. The examples must have targets of 0 and of
    /// 1, or smoothed ones, or there is no maximum.
    pub fn fit_intercept(&self, slope: f64) -> Line {
        let ends = self.scores.iter().fold([0.0f64; 2], |[low, high], &score| {
            [low.min(slope * score), high.max(slope * score)]
        });
        // Beyond these, all shares are practically 0 or 1.
        let reach = 50.0 + (1.0 + self.scores.len() as f64).ln();
        let intercept = root([-ends[1] - reach, -ends[0] + reach], |intercept| {
            let local = self.at(Line { slope, intercept });
            [local.gradient[1], local.curvature[2]]
        });
        Line { slope, intercept }
    }

    /// Returns `true` if targets of 0 and 1 both occur, and no score separates them. Otherwise, the likelihood has no
    /// maximum (Albert and Anderson, 1984).
    pub fn overlap(&self) -> bool {
        let ends = |wanted: bool| {
            let examples = self.scores.iter().zip(self.targets).zip(self.weights);
            let of_class =
                examples.filter(|&((_, &target), &weight)| weight > 0 && (target > 0.5) == wanted);
            of_class.fold(
                [f64::INFINITY, f64::NEG_INFINITY],
                |[low, high], ((&score, _), _)| [low.min(score), high.max(score)],
            )
        };
        let ([low, high], [least, most]) = (ends(false), ends(true));
        // The ends of no scores are infinite, and do not overlap with anything.
        high > least && most > low
    }
}

#[cfg(test)]
mod tests {
    use super::{Examples, Line};

    const START: Line = Line {
        slope: 0.0,
        intercept: 0.0,
    };

    /// 40 scores from −2 to 2, with targets and weights that follow them roughly.
    fn data() -> (Vec<f64>, Vec<f64>, Vec<u32>) {
        let scores: Vec<f64> = (0..40)
            .map(|i| f64::from(i * 17 % 41) / 10.0 - 2.0)
            .collect();
        let target = |(i, &score): (usize, &f64)| {
            f64::from(u8::from(score + (i * 7 % 11) as f64 / 2.5 > 2.0))
        };
        let targets = scores.iter().enumerate().map(target).collect();
        (scores, targets, (0..40).map(|i| i % 3).collect())
    }

    /// With the logits of certain predictions that are all right, a shift helps one class as much as it harms the other.
    #[test]
    fn certain_predictions_need_no_intercept() {
        let examples = Examples {
            scores: &[87.0, 87.0, -87.0, -87.0],
            targets: &[1.0, 1.0, 0.0, 0.0],
            weights: &[1; 4],
        };
        let intercept = examples.fit_intercept(1.0).intercept;
        assert!(intercept.abs() < 1e-6, "{intercept}");
    }

    /// Expected values from statsmodels 0.15.0: `GLM(y, add_constant(x), family=Binomial(), freq_weights=w).fit(
    /// tol=1e-14).params`, and with `offset=1.3 * x` and only the constant.
    #[test]
    fn agrees_with_statsmodels() {
        let (scores, targets, weights) = data();
        let examples = Examples {
            scores: &scores,
            targets: &targets,
            weights: &weights,
        };
        assert!(examples.overlap());
        let line = examples.fit(START).unwrap();
        assert!((line.slope - SLOPE).abs() < 1e-9, "{line:?}");
        assert!((line.intercept - INTERCEPT).abs() < 1e-9, "{line:?}");
        let warm = examples.fit(line).unwrap();
        assert!((warm.slope - line.slope).abs() < 1e-9);
        let offset = examples.fit_intercept(1.3);
        assert!((offset.intercept - OFFSET).abs() < 1e-9, "{offset:?}");
        assert_eq!(offset.slope, 1.3);
    }

    const SLOPE: f64 = 1.173_444_916_475_726_8;
    const INTERCEPT: f64 = -0.402_070_601_887_337_1;
    const OFFSET: f64 = -0.423_182_321_891_263_9;

    #[test]
    fn far_scores_do_not_make_the_steps_diverge() {
        let scores = [-87.0, -80.0, 87.0, -3.0, 2.0, 60.0, 1.0];
        let targets = [1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0];
        let examples = Examples {
            scores: &scores,
            targets: &targets,
            weights: &[1; 7],
        };
        for slope in [-5.0, 0.0, 1.0, 20.0] {
            let start = Line {
                slope,
                intercept: 3.0,
            };
            let line = examples.fit(start).unwrap();
            let local = examples.at(line);
            assert!(
                local.gradient.iter().all(|g| g.abs() < 1e-6),
                "{line:?}: {:?}",
                local.gradient
            );
        }
    }

    #[test]
    fn separated_classes_do_not_overlap() {
        let overlap = |scores: &[f64], targets: &[f64]| {
            let weights = vec![1; scores.len()];
            let examples = Examples {
                scores,
                targets,
                weights: &weights,
            };
            examples.overlap()
        };
        assert!(overlap(&[0.0, 2.0, 1.0, 3.0], &[0.0, 0.0, 1.0, 1.0]));
        assert!(!overlap(&[0.0, 1.0, 2.0], &[0.0, 0.0, 1.0]));
        // Only one score is common: the slope still grows without limit.
        assert!(!overlap(&[0.0, 1.0, 1.0, 2.0], &[0.0, 0.0, 1.0, 1.0]));
        assert!(!overlap(&[2.0, 1.0], &[0.0, 1.0]));
        assert!(!overlap(&[1.0, 1.0], &[0.0, 1.0]));
        assert!(!overlap(&[1.0, 2.0], &[1.0, 1.0]));
        assert!(!overlap(&[], &[]));
    }

    #[test]
    fn equal_scores_do_not_determine_a_slope() {
        let examples = Examples {
            scores: &[0.7; 3],
            targets: &[0.0, 1.0, 1.0],
            weights: &[1; 3],
        };
        assert_eq!(examples.fit(START), None);
        let line = examples.fit_intercept(1.0);
        assert!((line.intercept + 0.7 - 2.0f64.ln()).abs() < 1e-9);
    }
}
