//! The confusion matrix, and the measures that follow from it.

/// Counts of examples by actual and by predicted class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// Row by row: actual class × predicted class.
    counts: Vec<u64>,
}

impl Confusion {
    /// Counts `predicted` against `actual` classes, both below `classes`.
    ///
    /// # Panics
    /// If a class is out of range.
    pub fn new(actual: &[u32], predicted: &[u32], classes: usize) -> Self {
        Self::weighted(actual, predicted, &vec![1; actual.len()], classes)
    }

    /// Counts every example as often as its weight.
    pub(super) fn weighted(
        actual: &[u32],
        predicted: &[u32],
        weights: &[u32],
        classes: usize,
    ) -> Self {
        let mut counts = vec![0; classes * classes];
        for ((&actual, &predicted), &weight) in actual.iter().zip(predicted).zip(weights) {
            counts[actual as usize * classes + predicted as usize] += u64::from(weight);
        }
        Self { classes, counts }
    }

    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Returns the number of examples of class `actual` that were predicted as `predicted`.
    pub fn count(&self, actual: usize, predicted: usize) -> u64 {
        self.counts[actual * self.classes + predicted]
    }

    /// Returns the number of examples of class `actual`.
    pub fn support(&self, actual: usize) -> u64 {
        (0..self.classes)
            .map(|predicted| self.count(actual, predicted))
            .sum()
    }

    /// Returns the number of examples that were predicted as class `predicted`.
    pub fn predicted(&self, predicted: usize) -> u64 {
        (0..self.classes)
            .map(|actual| self.count(actual, predicted))
            .sum()
    }

    /// Returns the number of all examples.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Share of the examples that were predicted correctly.
    pub fn accuracy(&self) -> f64 {
        let right = (0..self.classes)
            .map(|class| self.count(class, class))
            .sum();
        ratio(right, self.total())
    }

    /// Share of the examples predicted as `class` that belong to it.
    pub fn precision(&self, class: usize) -> f64 {
        ratio(self.count(class, class), self.predicted(class))
    }

    /// Share of the examples of `class` that were predicted as `class` (sensitivity).
    pub fn recall(&self, class: usize) -> f64 {
        ratio(self.count(class, class), self.support(class))
    }

    /// Share of the examples of other classes that were not predicted as `class`.
    pub fn specificity(&self, class: usize) -> f64 {
        let others = self.total() - self.support(class);
        let mistaken = self.predicted(class) - self.count(class, class);
        ratio(others - mistaken, others)
    }

    /// Harmonic mean of precision and recall.
    pub fn f1(&self, class: usize) -> f64 {
        ratio(
            2 * self.count(class, class),
            self.support(class) + self.predicted(class),
        )
    }

    /// Mean of the classes' F1. A class that occurs neither among the examples nor among the
    /// predictions is left out.
    pub fn macro_f1(&self) -> f64 {
        let occurring = (0..self.classes).filter(|&c| self.support(c) + self.predicted(c) > 0);
        let (sum, count) =
            occurring.fold((0.0, 0), |(sum, count), c| (sum + self.f1(c), count + 1));
        if count == 0 {
            0.0
        } else {
            sum / f64::from(count)
        }
    }

    /// Mean of the classes' F1, each weighted by its number of examples.
    pub fn weighted_f1(&self) -> f64 {
        let total = self.total();
        if total == 0 {
            return 0.0;
        }
        (0..self.classes)
            .map(|c| self.f1(c) * self.support(c) as f64)
            .sum::<f64>()
            / total as f64
    }
}

/// Returns `part / whole`, or 0 if `whole` is 0.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Confusion;

    /// 3 true negatives, 2 false positives, 1 false negative, 4 true positives.
    fn binary() -> Confusion {
        Confusion::new(
            &[0, 0, 0, 0, 0, 1, 1, 1, 1, 1],
            &[0, 0, 0, 1, 1, 0, 1, 1, 1, 1],
            2,
        )
    }

    #[test]
    fn binary_measures_match_a_calculation_by_hand() {
        let c = binary();
        assert_eq!(
            [c.count(0, 0), c.count(0, 1), c.count(1, 0), c.count(1, 1)],
            [3, 2, 1, 4]
        );
        assert_eq!(c.accuracy(), 0.7);
        assert_eq!(c.precision(1), 4.0 / 6.0);
        assert_eq!(c.recall(1), 0.8);
        assert_eq!(c.specificity(1), 0.6);
        assert_eq!(c.f1(1), 8.0 / 11.0);
        assert_eq!(c.f1(0), 6.0 / 9.0);
        assert_eq!(c.macro_f1(), (8.0 / 11.0 + 6.0 / 9.0) / 2.0);
        // Both classes have five examples.
        assert!((c.weighted_f1() - c.macro_f1()).abs() < 1e-15);
    }

    #[test]
    fn recall_of_one_class_is_specificity_of_the_other() {
        let c = binary();
        assert_eq!(c.recall(0), c.specificity(1));
        assert_eq!(c.recall(1), c.specificity(0));
    }

    #[test]
    fn three_classes() {
        // Rows: [2 1 0], [0 1 0], [1 0 0].
        let c = Confusion::new(&[0, 0, 0, 1, 2], &[0, 0, 1, 1, 0], 3);
        assert_eq!(c.accuracy(), 0.6);
        assert_eq!([c.f1(0), c.f1(1), c.f1(2)], [4.0 / 6.0, 2.0 / 3.0, 0.0]);
        assert!((c.macro_f1() - 4.0 / 9.0).abs() < 1e-15);
        assert!((c.weighted_f1() - (3.0 * 4.0 / 6.0 + 2.0 / 3.0) / 5.0).abs() < 1e-15);
        assert_eq!(c.specificity(0), 0.5);
    }

    #[test]
    fn measures_without_positive_predictions_are_zero_not_nan() {
        let c = Confusion::new(&[0, 1], &[0, 0], 2);
        assert_eq!([c.precision(1), c.recall(1), c.f1(1)], [0.0, 0.0, 0.0]);
    }

    #[test]
    fn absent_classes_and_no_examples_are_defined() {
        let only_positive = Confusion::new(&[1, 1], &[1, 1], 2);
        assert_eq!(only_positive.specificity(1), 0.0);
        assert_eq!(only_positive.macro_f1(), 1.0);
        let none = Confusion::new(&[], &[], 2);
        assert_eq!(
            [
                none.accuracy(),
                none.f1(1),
                none.macro_f1(),
                none.weighted_f1()
            ],
            [0.0; 4]
        );
    }
}
