//! [`Resampled`]: a measure under several seeds, on the test images and on resamples of them.

use contract::analysis::Difference;
use contract::random;
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::bootstrap::{are_enough, percentile};
use super::declared::Measure;
use super::scored::Scored;
use super::units::Units;

/// A classifier that was trained under one seed, on its test images.
#[derive(Clone, Copy)]
pub struct Tested<'a> {
    pub scored: &'a Scored,
    pub units: &'a Units,
    /// Index of the set of images. Seeds with the same index use the same images, in the same order.
    pub images: usize,
}

/// The values of a measure under each seed: on the test images, and on each resample of them.
///
/// A resample draws as many images (or groups of images) as there are, with replacement, and the same ones for all
/// seeds and for every classifier with the same set of images. So the values of two classifiers are paired, and
/// their difference is [`Resampled::minus`].
#[derive(Clone, Debug, PartialEq)]
pub struct Resampled {
    /// One value for each seed.
    values: Vec<f64>,
    /// The values on each resample; `None` if one of them is undefined.
    draws: Vec<Option<Vec<f64>>>,
    /// `true` if all seeds have the same images.
    shares_images: bool,
}

/// Differences closer to 0 than this are rounding errors.
const ROUNDING: f64 = 1e-12;

/// Smallest p-value that is computed for several seeds.
const LEAST_P: f64 = 1e-16;

impl Resampled {
    /// Computes `measure` under each seed, with `resamples` resamples. `None` if there is no seed, if an image set
    /// is empty, or if the measure is undefined. The result depends on `seed`, but not on the number of threads.
    pub fn new(
        seeds: &[Tested<'_>],
        measure: Measure,
        resamples: usize,
        seed: u64,
    ) -> Option<Self> {
        if seeds.is_empty() || seeds.iter().any(|tested| tested.units.len() == 0) {
            return None;
        }
        let value = |tested: &Tested<'_>| {
            tested
                .scored
                .value(measure, &vec![1; tested.scored.examples()])
        };
        let values = seeds.iter().map(value).collect::<Option<_>>()?;
        let draw = |(drawn, weights): &mut (Vec<u32>, Vec<u32>), resample| {
            let mut set = None;
            let mut value = |tested: &Tested<'_>| {
                if set.replace(tested.images) != Some(tested.images) {
                    let purpose = "paired-bootstrap/images";
                    let mut rng = random::stream(seed, purpose, [resample, tested.images as u64]);
                    weights.resize(tested.units.len(), 0);
                    tested.units.draw(drawn, weights, &mut rng);
                }
                tested.scored.value(measure, weights)
            };
            seeds.iter().map(&mut value).collect()
        };
        let draws = (0..resamples as u64)
            .into_par_iter()
            .map_init(Default::default, draw)
            .collect();
        let mut pairs = seeds.windows(2);
        Some(Self {
            values,
            draws,
            shares_images: pairs.all(|pair| pair[0].images == pair[1].images),
        })
    }

    /// Returns the 95 % interval of the mean over the seeds, of which `estimate` is the [`Resampled::estimate`], for values
    /// of `measure` (not differences). The percentiles of a single seed are corrected as those of a single evaluation
    /// ([`Measure::ends`]). The interval of several seeds is around the mean of their values, so it needs no correction.
    pub fn ends(&self, estimate: &Difference, measure: Measure) -> [f64; 2] {
        let [value] = self.values.as_slice() else {
            return estimate.interval;
        };
        let draws: Vec<f64> = self.draws.iter().flatten().flatten().copied().collect();
        let mean = draws.iter().sum::<f64>() / draws.len().max(1) as f64;
        measure.ends(estimate.interval, mean, *value)
    }

    /// Returns the differences from `other`, which has the same seeds and the same resamples.
    pub fn minus(&self, other: &Self) -> Self {
        let minus =
            |ours: &[f64], theirs: &[f64]| ours.iter().zip(theirs).map(|(a, b)| a - b).collect();
        let draws = self.draws.iter().zip(&other.draws);
        Self {
            values: minus(&self.values, &other.values),
            draws: draws
                .map(|(ours, theirs)| Some(minus(ours.as_ref()?, theirs.as_ref()?)))
                .collect(),
            shares_images: self.shares_images && other.shares_images,
        }
    }

    /// The value under each seed.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Returns the mean over the seeds with its 95 % interval, and the p-value of the hypothesis that it is 0.
    /// Resamples for which the measure is undefined are left out; `None` if they are more than half, or if there is no
    /// resample.
    ///
    /// With one seed, the interval is the percentile interval of the bootstrap (Efron and Tibshirani, 1993,
    /// chapter 13). It accounts for the choice of test images only. The p-value is 2 (m + 1) / (n + 1), at most 1,
    /// where n is the number of resamples, and m the smaller of two counts: the values that are at most 0, and those
    /// that are at least 0 (Davison and Hinkley, 1997, section 4.2).
    ///
    /// With k seeds, the interval accounts for the choice of seeds and of test images. Its half-width h is given by
    ///
    /// h² = max(t² s², z² u) / k + z² c
    ///
    /// Here, s² is the variance of the values over the seeds, which includes that part of the images' influence
    /// that differs from seed to seed, and t is the 0.975 quantile of Student's t with k − 1 degrees of freedom. c
    /// is the mean covariance of two seeds over the resamples, which is the variance of that part of the images'
    /// influence that all seeds share, and z is the quantile of the normal distribution. u is 0 if the seeds have the
    /// same images, and otherwise the mean variance of a seed over the resamples. s² is expected to be at least that
    /// large, so a few seeds that happen to give equal values do not give an interval of length 0. The half-widths of
    /// two independent parts add up like this in Howe's method (1974; see also Zou and Donner, 2008). The p-value is
    /// the least α for which the interval of level 1 − α excludes 0.
    pub fn estimate(&self) -> Option<Difference> {
        let draws: Vec<&[f64]> = self.draws.iter().filter_map(|d| d.as_deref()).collect();
        match self.values.as_slice() {
            [] => None,
            _ if !are_enough(draws.len(), self.draws.len()) => None,
            [value] => percentiles(*value, draws.into_iter().flatten().copied().collect()),
            values => Some(Parts::of(values, &draws, self.shares_images).estimate()),
        }
    }
}

/// Returns the percentile interval of `draws` and its p-value; `None` if there are none. `value` is the observed
/// one.
fn percentiles(value: f64, mut draws: Vec<f64>) -> Option<Difference> {
    draws.sort_by(f64::total_cmp);
    let interval = [percentile(&draws, 0.025)?, percentile(&draws, 0.975)?];
    let not_above = draws.partition_point(|&draw| draw <= ROUNDING);
    let not_below = draws.len() - draws.partition_point(|&draw| draw < -ROUNDING);
    let fewer = not_above.min(not_below) as f64;
    Some(Difference {
        value,
        interval,
        p: (2.0 * (fewer + 1.0) / (draws.len() as f64 + 1.0)).min(1.0),
    })
}

/// A mean over at least two seeds, and the parts of its variance.
struct Parts {
    mean: f64,
    /// Variance that each seed contributes by itself, divided by the number of seeds.
    of_seeds: f64,
    /// The least that it can be, because of the images: estimated from the resamples if the seeds have different
    /// images, and otherwise 0.
    of_own_images: f64,
    /// Variance that comes from the images and is common to all seeds.
    of_images: f64,
    freedom: f64,
}

impl Parts {
    fn of(values: &[f64], draws: &[&[f64]], shares_images: bool) -> Self {
        let k = values.len() as f64;
        let (mean, variance) = mean_and_variance(values);
        let means: Vec<f64> = draws
            .iter()
            .map(|draw| draw.iter().sum::<f64>() / k)
            .collect();
        let own: f64 = (0..values.len())
            .map(|seed| {
                let of_seed: Vec<f64> = draws.iter().map(|draw| draw[seed]).collect();
                mean_and_variance(&of_seed).1
            })
            .sum();
        // The variance of a sum is the sum of the variances plus that of all covariances, and there are k (k − 1)
        // of these.
        let covariance = (k * k * mean_and_variance(&means).1 - own) / (k * (k - 1.0));
        Self {
            mean,
            of_seeds: variance / k,
            of_own_images: if shares_images { 0.0 } else { own / (k * k) },
            of_images: covariance.max(0.0),
            freedom: k - 1.0,
        }
    }

    /// Returns the half-width of the interval of level 1 − `alpha`.
    fn half_width(&self, alpha: f64) -> f64 {
        let t = StudentsT::new(0.0, 1.0, self.freedom).expect("degrees of freedom are positive");
        let (t, z) = (
            -t.inverse_cdf(alpha / 2.0),
            -Normal::standard().inverse_cdf(alpha / 2.0),
        );
        let of_seeds = (t * t * self.of_seeds).max(z * z * self.of_own_images);
        (of_seeds + z * z * self.of_images).sqrt()
    }

    fn estimate(&self) -> Difference {
        let half = self.half_width(0.05);
        Difference {
            value: self.mean,
            interval: [self.mean - half, self.mean + half],
            p: self.p(),
        }
    }

    /// Finds the least α for which the interval excludes 0, to five digits.
    fn p(&self) -> f64 {
        let distance = self.mean.abs();
        if distance <= ROUNDING {
            return 1.0;
        }
        let (mut low, mut high) = (LEAST_P, 1.0);
        while high / low > 1.0 + 1e-5 {
            let middle = (low * high).sqrt();
            if self.half_width(middle) < distance {
                high = middle;
            } else {
                low = middle;
            }
        }
        high
    }
}

/// Returns the mean, and the variance of the sample (over n − 1; 0 for a single value).
fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, squares / (n - 1.0).max(1.0))
}

#[cfg(test)]
mod tests;
