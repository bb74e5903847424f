//! Mean and spread of a measure over several seeds.

use contract::analysis::{Interval, Over, Summary};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Computes the mean and the spread of `values`, which are finite; `None` if there are no values.
///
/// The interval is that of the mean by Student's t with n − 1 degrees of freedom (Student, 1908). It assumes that the
/// values come from a normal distribution, so it may exceed the range of a measure. A single value has none.
pub fn spread(values: &[f64]) -> Option<Summary> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let sd = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
    let interval = sd.map(|sd| {
        let half = quantile_975(n - 1) * sd / (n as f64).sqrt();
        Interval {
            ends: [mean - half, mean + half],
            over: Over::Seeds,
        }
    });
    Some(Summary {
        n,
        mean,
        sd,
        interval,
        resamples_agree: false,
        positive: None,
        decision: None,
        folds: None,
    })
}

/// Returns the 0.975 quantile of Student's t.
fn quantile_975(freedom: usize) -> f64 {
    StudentsT::new(0.0, 1.0, freedom as f64)
        .expect("degrees of freedom are positive")
        .inverse_cdf(0.975)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::spread;

    fn near(ours: f64, theirs: f64) -> bool {
        (ours - theirs).abs() <= 1e-9 * theirs.abs().max(1.0)
    }

    /// SciPy 1.17.1 and NumPy 2.4.6: `x.mean()`, `x.std(ddof=1)` and `scipy.stats.t.interval(0.95, len(x) -
    /// 1, x.mean(), scipy.stats.sem(x))` of the values below. The last ones are `np.arange(1, 31) ** 2 / 7`.
    #[test]
    fn agrees_with_scipy() {
        let squares: Vec<f64> = (1..=30).map(|i| f64::from(i * i) / 7.0).collect();
        let cases: [(&[f64], [f64; 4]); 3] = [
            (
                &[0.91, 0.93],
                [
                    0.92,
                    0.014142135623730963,
                    0.792937952638253,
                    1.0470620473617471,
                ],
            ),
            (
                &[0.918, 0.927, 0.905, 0.931, 0.912],
                [
                    0.9186,
                    0.010644247272588146,
                    0.9053834213736487,
                    0.9318165786263513,
                ],
            ),
            (
                &squares,
                [
                    45.023809523809526,
                    40.17991003061141,
                    30.020384543990893,
                    60.02723450362816,
                ],
            ),
        ];
        for (values, expected) in cases {
            let found = spread(values).unwrap();
            let [low, high] = found.interval.unwrap().ends;
            let found = [found.mean, found.sd.unwrap(), low, high];
            for (ours, theirs) in found.into_iter().zip(expected) {
                assert!(near(ours, theirs), "{ours}, not {theirs}");
            }
        }
    }

    #[test]
    fn one_value_has_no_spread_and_no_values_have_no_mean() {
        let one = spread(&[0.5]).unwrap();
        assert_eq!(
            (one.n, one.mean, one.sd, one.interval),
            (1, 0.5, None, None)
        );
        assert_eq!(spread(&[]), None);
    }

    proptest! {
        #[test]
        fn moves_and_grows_with_the_values(
            values in prop::collection::vec(-10.0..10.0f64, 2..20),
            shift in -5.0..5.0f64,
            scale in 0.1..4.0f64,
        ) {
            let moved: Vec<f64> = values.iter().map(|value| scale * value + shift).collect();
            let (plain, moved) = (spread(&values).unwrap(), spread(&moved).unwrap());
            prop_assert!(near(moved.mean, scale * plain.mean + shift));
            prop_assert!(near(moved.sd.unwrap(), scale * plain.sd.unwrap()));
            let [low, high] = plain.interval.unwrap().ends;
            prop_assert!(low <= plain.mean && plain.mean <= high);
            let [moved_low, moved_high] = moved.interval.unwrap().ends;
            prop_assert!(near(moved_low, scale * low + shift));
            prop_assert!(near(moved_high, scale * high + shift));
        }
    }
}
