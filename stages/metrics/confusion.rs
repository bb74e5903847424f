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
    pub fn weighted(actual: &[u32], predicted: &[u32], weights: &[u32], classes: usize) -> Self {
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

    /// Numbers of the examples that were predicted correctly, and of all.
    pub(super) fn accuracy_counts(&self) -> [u64; 2] {
        let right = (0..self.classes).map(|class| self.count(class, class));
        [right.sum(), self.total()]
    }

    /// Numbers of the examples predicted as `class` that belong to it, and of all predicted as it.
    pub(super) fn precision_counts(&self, class: usize) -> [u64; 2] {
        [self.count(class, class), self.predicted(class)]
    }

    /// Numbers of the examples of `class` that were predicted as it, and of all of the class.
    pub(super) fn recall_counts(&self, class: usize) -> [u64; 2] {
        [self.count(class, class), self.support(class)]
    }

    /// Numbers of the examples of other classes that were not predicted as `class`, and of all of other classes.
    pub(super) fn specificity_counts(&self, class: usize) -> [u64; 2] {
        let others = self.total() - self.support(class);
        let mistaken = self.predicted(class) - self.count(class, class);
        [others - mistaken, others]
    }

    /// Numbers of the examples not predicted as `class` that belong to other classes, and of all not predicted as it.
    pub(super) fn npv_counts(&self, class: usize) -> [u64; 2] {
        let rejected = self.total() - self.predicted(class);
        let missed = self.support(class) - self.count(class, class);
        [rejected - missed, rejected]
    }

    /// Share of the examples that were predicted correctly; `None` without examples.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.accuracy_counts())
    }

    /// Share of the examples predicted as `class` that belong to it; `None` if no example was.
    pub fn precision(&self, class: usize) -> Option<f64> {
        ratio(self.precision_counts(class))
    }

    /// Share of the examples of `class` that were predicted as `class` (sensitivity); `None` without such examples.
    pub fn recall(&self, class: usize) -> Option<f64> {
        ratio(self.recall_counts(class))
    }

    /// Share of the examples of other classes that were not predicted as `class`; `None` without such examples.
    pub fn specificity(&self, class: usize) -> Option<f64> {
        ratio(self.specificity_counts(class))
    }

    /// Share of the examples not predicted as `class` that belong to other classes (negative predictive value); `None` if
    /// all were predicted as `class`.
    pub fn npv(&self, class: usize) -> Option<f64> {
        ratio(self.npv_counts(class))
    }

    /// Recall divided by 1 − specificity. Infinite if no example of other classes was predicted as `class`. `None` for
    /// 0/0, or if recall or specificity is undefined.
    pub fn lr_positive(&self, class: usize) -> Option<f64> {
        quotient(self.recall(class)?, 1.0 - self.specificity(class)?)
    }

    /// 1 − recall, divided by the specificity. Infinite if all examples of other classes were predicted as `class`.
    /// `None` for 0/0, or if recall or specificity is undefined.
    pub fn lr_negative(&self, class: usize) -> Option<f64> {
        quotient(1.0 - self.recall(class)?, self.specificity(class)?)
    }

    /// Harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN). `None` if no example belongs to `class` or was
    /// predicted as `class`. If only one of precision and recall is undefined, F1 is 0.
    pub fn f1(&self, class: usize) -> Option<f64> {
        ratio([
            2 * self.count(class, class),
            self.support(class) + self.predicted(class),
        ])
    }

    /// Returns the classes that occur among the examples or the predictions. Macro averages are means over these.
    pub fn occurring(&self) -> Vec<usize> {
        let classes = 0..self.classes;
        classes
            .filter(|&c| self.support(c) + self.predicted(c) > 0)
            .collect()
    }

    /// Returns the mean of `value` over the classes that occur. `None` if one of these has no value, or if there are
    /// none: a mean of the others would not show that a class is missing.
    pub fn macro_mean(&self, value: impl Fn(usize) -> Option<f64>) -> Option<f64> {
        mean_over(&self.occurring(), value)
    }

    /// Returns the mean of `values`, one for each class, weighted by the number of examples of each class. `None` if a
    /// class with examples has no value, or if there are no examples.
    pub fn weighted_mean(&self, value: impl Fn(usize) -> Option<f64>) -> Option<f64> {
        let classes = (0..self.classes).filter(|&c| self.support(c) > 0);
        let terms = classes.map(|c| Some(value(c)? * self.support(c) as f64));
        let terms: Vec<f64> = terms.collect::<Option<_>>()?;
        (!terms.is_empty()).then(|| terms.iter().sum::<f64>() / self.total() as f64)
    }
}

/// Returns the mean of `value` over some classes; `None` if one of them has no value, or if there are none.
pub(super) fn mean_over(classes: &[usize], value: impl Fn(usize) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = classes.iter().map(|&c| value(c)).collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Returns `a / b`, which may be infinite; `None` for 0/0.
pub fn quotient(a: f64, b: f64) -> Option<f64> {
    (a > 0.0 || b > 0.0).then(|| a / b)
}

/// Returns `part / whole`, or `None` if `whole` is 0.
fn ratio([part, whole]: [u64; 2]) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
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
        assert_eq!(c.accuracy(), Some(0.7));
        assert_eq!(c.precision(1), Some(4.0 / 6.0));
        assert_eq!(c.recall(1), Some(0.8));
        assert_eq!(c.specificity(1), Some(0.6));
        assert_eq!(c.f1(1), Some(8.0 / 11.0));
        assert_eq!(c.f1(0), Some(6.0 / 9.0));
        let mean = c.macro_mean(|class| c.f1(class)).unwrap();
        assert_eq!(mean, (8.0 / 11.0 + 6.0 / 9.0) / 2.0);
        // Both classes have five examples.
        let weighted = c.weighted_mean(|class| c.f1(class)).unwrap();
        assert!((weighted - mean).abs() < 1e-15);
    }

    #[test]
    fn recall_of_one_class_is_specificity_of_the_other() {
        let c = binary();
        assert_eq!(c.recall(0), c.specificity(1));
        assert_eq!(c.recall(1), c.specificity(0));
    }

    /// Sensitivity 0.8 and specificity 0.6.
    #[test]
    fn predictive_values_and_likelihood_ratios_match_a_calculation_by_hand() {
        let c = binary();
        assert_eq!(c.npv(1), Some(0.75));
        assert_eq!(c.npv(1), c.precision(0));
        assert!((c.lr_positive(1).unwrap() - 2.0).abs() < 1e-15);
        assert!((c.lr_negative(1).unwrap() - 1.0 / 3.0).abs() < 1e-15);
        let without_mistakes = Confusion::new(&[0, 1], &[0, 1], 2);
        assert_eq!(without_mistakes.lr_positive(1), Some(f64::INFINITY));
        assert_eq!(without_mistakes.lr_negative(1), Some(0.0));
        let all_positive = Confusion::new(&[0, 1], &[1, 1], 2);
        assert_eq!(
            [all_positive.npv(1), all_positive.lr_negative(1)],
            [None; 2]
        );
    }

    #[test]
    fn likelihood_ratios_may_be_infinite() {
        let all_negative = Confusion::new(&[0, 1], &[0, 0], 2);
        assert_eq!(all_negative.lr_positive(1), None);
        let all_wrong = Confusion::new(&[0, 1], &[1, 0], 2);
        assert_eq!(all_wrong.lr_negative(1), Some(f64::INFINITY));
    }

    #[test]
    fn three_classes() {
        // Rows: [2 1 0], [0 1 0], [1 0 0].
        let c = Confusion::new(&[0, 0, 0, 1, 2], &[0, 0, 1, 1, 0], 3);
        assert_eq!(c.accuracy(), Some(0.6));
        let f1 = |class| c.f1(class);
        assert_eq!([0, 1, 2].map(f1), [4.0 / 6.0, 2.0 / 3.0, 0.0].map(Some));
        assert!((c.macro_mean(f1).unwrap() - 4.0 / 9.0).abs() < 1e-15);
        let weighted = c.weighted_mean(f1).unwrap();
        assert!((weighted - (3.0 * 4.0 / 6.0 + 2.0 / 3.0) / 5.0).abs() < 1e-15);
        assert_eq!(c.specificity(0), Some(0.5));
    }

    #[test]
    fn a_ratio_of_nothing_is_undefined() {
        // Nothing was predicted as class 1, which has an example: it was missed, so F1 is 0.
        let c = Confusion::new(&[0, 1], &[0, 0], 2);
        assert_eq!(
            [c.precision(1), c.recall(1), c.f1(1)],
            [None, Some(0.0), Some(0.0)]
        );
        let only_positive = Confusion::new(&[1, 1], &[1, 1], 2);
        assert_eq!(only_positive.specificity(1), None);
        assert_eq!([only_positive.recall(0), only_positive.f1(0)], [None; 2]);
        let none = Confusion::new(&[], &[], 2);
        assert_eq!([none.accuracy(), none.f1(1)], [None; 2]);
    }

    #[test]
    fn an_average_needs_a_value_for_each_class_that_occurs() {
        // Class 2 does not occur. Class 1 has an example, but was never predicted.
        let c = Confusion::new(&[0, 0, 1], &[0, 0, 0], 3);
        assert_eq!(c.macro_mean(|class| c.precision(class)), None);
        assert_eq!(c.weighted_mean(|class| c.precision(class)), None);
        assert_eq!(c.macro_mean(|class| c.recall(class)), Some(0.5));
        assert_eq!(c.macro_mean(|class| c.f1(class)), Some(0.4));
        assert_eq!(c.weighted_mean(|class| c.recall(class)), c.accuracy());
        // Class 1 was predicted, but has no example: it has no recall, and no weight.
        let c = Confusion::new(&[0, 0], &[0, 1], 2);
        assert_eq!(c.macro_mean(|class| c.recall(class)), None);
        assert_eq!(c.weighted_mean(|class| c.recall(class)), Some(0.5));
        let none = Confusion::new(&[], &[], 2);
        assert_eq!(none.macro_mean(|class| none.f1(class)), None);
        assert_eq!(none.weighted_mean(|class| none.f1(class)), None);
    }
}
