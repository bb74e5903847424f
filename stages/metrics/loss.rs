//! Measures of predicted probabilities.

/// Smallest probability that is used, so that a true class with a predicted probability of 0 does not make the
/// log loss infinite: one such example has a loss of 87.3. It is the smallest normal number of single precision,
/// because probabilities are computed exactly enough to have a meaning down to it. scikit-learn clips probabilities
/// of single precision at the machine epsilon, which is a loss of 15.9, and so gives a lower loss than this for wrong
/// predictions with a logit above 15.9.
pub(super) const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

/// Returns the squared error of each example's probabilities. With two classes, it is that of one class's
/// probability, in [0, 1]. With more, it is the sum over the classes, in [0, 2] (Brier, 1950).
///
/// `probabilities` has `classes` values per label.
pub(super) fn squared_errors(probabilities: &[f32], labels: &[u32], classes: usize) -> Vec<f64> {
    let error = |(row, &label): (&[f32], &u32)| {
        let of =
            |class: usize| f64::from(row[class]) - f64::from(u8::from(class == label as usize));
        if classes == 2 {
            of(1).powi(2)
        } else {
            (0..classes).map(|class| of(class).powi(2)).sum()
        }
    };
    probabilities
        .chunks_exact(classes)
        .zip(labels)
        .map(error)
        .collect()
}

/// Returns the negative logarithm of the probability of each example's class.
pub(super) fn log_losses(probabilities: &[f32], labels: &[u32], classes: usize) -> Vec<f64> {
    let loss =
        // From 0, because −ln 1 would be −0.
        |(row, &label): (&[f32], &u32)| 0.0 - f64::from(row[label as usize]).clamp(SMALLEST, 1.0).ln();
    probabilities
        .chunks_exact(classes)
        .zip(labels)
        .map(loss)
        .collect()
}

/// Returns the Brier score, which is the mean squared error of the probabilities (of one class if there are
/// two, otherwise summed over all classes). The best value is 0. `None` without examples.
pub fn brier_score(probabilities: &[f32], labels: &[u32], classes: usize) -> Option<f64> {
    let errors = squared_errors(probabilities, labels, classes);
    weighted_mean(&errors, &vec![1; errors.len()])
}

/// Returns the mean negative log-likelihood of the true classes, in nats. The best value is 0. `None` without
/// examples.
pub fn log_loss(probabilities: &[f32], labels: &[u32], classes: usize) -> Option<f64> {
    let losses = log_losses(probabilities, labels, classes);
    weighted_mean(&losses, &vec![1; losses.len()])
}

/// Returns the mean of `values`, each counted as often as its weight; `None` if all weights are 0.
pub(super) fn weighted_mean(values: &[f64], weights: &[u32]) -> Option<f64> {
    let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
    let sum: f64 = values
        .iter()
        .zip(weights)
        .map(|(value, &weight)| value * f64::from(weight))
        .sum();
    (total > 0).then(|| sum / total as f64)
}

#[cfg(test)]
mod tests {
    use super::{brier_score, log_loss};

    #[test]
    fn two_classes() {
        let probabilities = [0.75, 0.25, 0.5, 0.5];
        // (0.25² + 0.5²) / 2
        assert_eq!(brier_score(&probabilities, &[0, 1], 2), Some(0.15625));
        let expected = (-(0.75f64.ln()) - 0.5f64.ln()) / 2.0;
        assert!((log_loss(&probabilities, &[0, 1], 2).unwrap() - expected).abs() < 1e-15);
    }

    #[test]
    fn three_classes() {
        // 0.5² + 0.25² + 0.25²
        assert_eq!(brier_score(&[0.5, 0.25, 0.25], &[0], 3), Some(0.375));
        assert_eq!(brier_score(&[0.0, 1.0, 0.0], &[0], 3), Some(2.0));
        assert_eq!(log_loss(&[0.0, 1.0, 0.0], &[1], 3), Some(0.0));
    }

    /// Expected values from numpy 2.4.6: `-np.log(np.float64(np.float32(p)))`, with `np.finfo(np.float32).tiny` for 0.
    #[test]
    fn the_loss_is_finite_if_the_true_class_has_probability_zero() {
        for (probability, expected) in [
            (0.0, 87.336_544_750_553_1),
            (1e-9, 20.723_265_865_228_342),
            (1e-37, 85.195_648_449_682_11),
        ] {
            let loss = log_loss(&[1.0, probability], &[1], 2).unwrap();
            assert!((loss - expected).abs() < 1e-12, "{probability}: {loss}");
        }
    }

    #[test]
    fn undefined_without_examples() {
        assert_eq!(brier_score(&[], &[], 2), None);
        assert_eq!(log_loss(&[], &[], 2), None);
    }
}
