//! Logarithms of probabilities and of their odds.

use super::loss::SMALLEST;

/// Returns the natural logarithm of a probability; a probability below [`SMALLEST`] counts as that number.
pub fn log(probability: f32) -> f64 {
    f64::from(probability).max(SMALLEST).ln()
}

/// Returns the logit of the probability of `class`: ln(p / (1 − p)). `row` has the probabilities of all classes. Their
/// sum without that of `class` is more exact than 1 − p if p is close to 1.
pub fn log_odds(row: &[f32], class: usize) -> f64 {
    let others = row.iter().enumerate().filter(|(other, _)| *other != class);
    let others: f64 = others.map(|(_, &p)| f64::from(p)).sum();
    log(row[class]) - others.max(SMALLEST).ln()
}

#[cfg(test)]
mod tests {
    use super::log_odds;

    #[test]
    fn the_logit_is_exact_at_both_ends_and_never_infinite() {
        // (1 - 1e-9) is 1 in single precision.
        let odds = log_odds(&[1e-9, 1.0], 1);
        assert!((odds - 20.723_265_8).abs() < 1e-6, "{odds}");
        assert_eq!(log_odds(&[1.0, 1e-9], 1), -odds);
        assert_eq!(log_odds(&[0.25, 0.5, 0.25], 1), 0.0);
        assert!((log_odds(&[1.0, 0.0], 1) + 87.336_544_75).abs() < 1e-6);
    }
}
