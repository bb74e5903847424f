//! The interval of a share of independent examples.

use contract::analysis::Over;

use super::units::Units;

/// The 97.5 % quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Returns the 95 % interval of a share, `hits` of `all` independent examples (Wilson, 1927). `all` is not 0.
pub fn wilson(hits: u64, all: u64) -> [f64; 2] {
    let (n, share) = (all as f64, hits as f64 / all as f64);
    let z2 = Z * Z;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    // The ends are exact where the share is, which rounding would miss.
    let low = if hits == 0 { 0.0 } else { middle - half };
    let high = if hits == all { 1.0 } else { middle + half };
    [low.max(0.0), high.min(1.0)]
}

/// Returns the interval of a share of images; `None` without images, and if they have groups, because images of one group
/// are not independent.
pub fn wilson_of([hits, all]: [u64; 2], units: &Units) -> Option<[f64; 2]> {
    (all > 0 && units.over() == Over::Images).then(|| wilson(hits, all))
}

#[cfg(test)]
mod tests {
    use super::wilson;

    /// statsmodels 0.15.0: `statsmodels.stats.proportion.proportion_confint(hits, all, method="wilson")`.
    #[test]
    fn agrees_with_statsmodels() {
        for (hits, all, low, high) in [
            (0, 10, 0.0, 0.27753279986288926),
            (10, 10, 0.7224672001371106, 1.0),
            (371, 390, 0.9251683213635259, 0.9685923331242398),
            (5, 8, 0.3057423946026273, 0.8631557141764027),
            (1, 3, 0.06149194472039626, 0.7923403991979523),
        ] {
            let [ours_low, ours_high] = wilson(hits, all);
            assert!(
                (ours_low - low).abs() < 1e-12,
                "{hits} of {all}: {ours_low}"
            );
            assert!(
                (ours_high - high).abs() < 1e-12,
                "{hits} of {all}: {ours_high}"
            );
        }
    }

    /// The examples of Newcombe, "Two-sided confidence intervals for the single proportion" (1998).
    #[test]
    fn wilson_intervals_match_published_values() {
        for ((hits, all), expected) in [
            ((81, 263), [0.2553, 0.3662]),
            ((15, 148), [0.0624, 0.1605]),
            ((0, 20), [0.0, 0.1611]),
            ((1, 29), [0.0061, 0.1718]),
        ] {
            let found = wilson(hits, all);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 6e-5, "{hits} of {all}: {found}");
            }
        }
    }
}
