//! A classifier's [`Predictions`] for labelled examples, and the [`Decision`] that turns them into classes.

use super::bins::Ordered;
use super::ranking::Ranking;

/// A classifier's predictions for labelled examples.
#[derive(Clone, Copy, Debug)]
pub struct Predictions<'a> {
    /// The probability of each class for each example, row by row; no NaN.
    pub probabilities: &'a [f32],
    /// The class of each example, below `classes`.
    pub labels: &'a [u32],
    /// Number of classes, at least two.
    pub classes: usize,
}

/// Rule that turns probabilities into a class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// Of two classes, `class` if its probability is at least `threshold`, otherwise the other one.
    Threshold { class: usize, threshold: f32 },
    /// The most probable class, the first of equally probable ones.
    MostProbable,
}

impl Predictions<'_> {
    /// Returns the predicted class of each example.
    pub fn decide(&self, decision: Decision) -> Vec<u32> {
        let decide = |row: &[f32]| match decision {
            Decision::Threshold { class, threshold } if row[class] >= threshold => class as u32,
            Decision::Threshold { class, .. } => u32::from(class == 0),
            Decision::MostProbable => {
                (1..row.len()).fold(
                    0,
                    |best, class| if row[class] > row[best] { class } else { best },
                ) as u32
            }
        };
        self.probabilities
            .chunks_exact(self.classes)
            .map(decide)
            .collect()
    }

    /// Returns the probability of `class` for each example.
    pub fn scores(&self, class: usize) -> Vec<f32> {
        self.probabilities
            .chunks_exact(self.classes)
            .map(|row| row[class])
            .collect()
    }

    /// Ranks the examples by the score of the class `positive` against all others.
    pub fn ranking(&self, positive: usize) -> Ranking {
        Ranking::new(&self.scores(positive), &self.is_of(positive))
    }

    /// Orders the examples by the probability of `class`, to compare it with the observed frequency.
    pub fn ordered(&self, class: usize) -> Ordered {
        Ordered::new(&self.scores(class), &self.is_of(class))
    }

    fn is_of(&self, class: usize) -> Vec<bool> {
        let labels = self.labels.iter();
        labels.map(|&label| label as usize == class).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Decision, Predictions};

    #[test]
    fn a_score_at_the_threshold_is_positive() {
        let predictions = Predictions {
            probabilities: &[0.875, 0.125, 0.25, 0.75, 0.5, 0.5, 0.75, 0.25],
            labels: &[0, 1, 1, 1],
            classes: 2,
        };
        let decide =
            |class, threshold| predictions.decide(Decision::Threshold { class, threshold });
        assert_eq!(decide(1, 0.5), [0, 1, 1, 0]);
        assert_eq!(decide(1, 0.625), [0, 1, 0, 0]);
        assert_eq!(decide(0, 0.5), [0, 1, 0, 0]);
        assert_eq!(predictions.decide(Decision::MostProbable), [0, 1, 0, 0]);
    }
}
