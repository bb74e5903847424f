//! Percentile intervals by the bootstrap.

use rayon::prelude::*;

use contract::random;

use super::units::Units;

/// Settings of a bootstrap: the units to draw, the number of resamples, and the seed.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    pub units: Units,
    pub resamples: usize,
    pub seed: u64,
}

#[cfg(test)]
impl Bootstrap {
    /// A bootstrap of single images.
    pub fn of_images(images: usize, resamples: usize, seed: u64) -> Self {
        Self {
            units: Units::images(images),
            resamples,
            seed,
        }
    }
}

/// Smallest share of the resamples that must define a statistic for it to have an interval. The interval describes the
/// resamples that define the statistic; if these are few, they are unlike other test sets.
const LEAST_DEFINED: f64 = 0.5;

/// Returns `true` if a statistic that `defined` of all `resamples` define may have an interval.
pub(super) fn are_enough(defined: usize, resamples: usize) -> bool {
    defined > 0 && defined as f64 >= LEAST_DEFINED * resamples as f64
}

/// The interval of a statistic.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Interval {
    /// The 2.5 and 97.5 % percentiles; `None` if too few resamples define the statistic, or if they agree.
    pub ends: Option<[f64; 2]>,
    /// `true` if both percentiles are the same, as for a share of 1. The resamples then say nothing about other test sets.
    pub agrees: bool,
    /// Mean of the resamples that define the statistic; 0 if there are none.
    pub mean: f64,
    /// Number of resamples that do not define the statistic.
    pub left_out: usize,
}

/// Returns 95 % percentile intervals (Efron, 1979) of `count` statistics of a test set.
///
/// Each resample draws as many units as there are, with replacement and without regard to their class. `statistics`
/// gets the number of times that each example was drawn. Resamples for which a statistic is `None` are left out of its
/// interval. There is no interval if more than half of them are left out, if an end would be infinite, if both ends
/// would be the same, or if there is only one unit. The result depends on `seed`, but not on the number of threads.
pub fn intervals(
    Bootstrap {
        units,
        resamples,
        seed,
    }: &Bootstrap,
    count: usize,
    statistics: impl Fn(&[u32]) -> Vec<Option<f64>> + Sync,
) -> Vec<Interval> {
    // A single unit is drawn as it is every time, which says nothing about others.
    if units.count() < 2 {
        return vec![Interval::default(); count];
    }
    let draws: Vec<Vec<Option<f64>>> = (0..*resamples as u64)
        .into_par_iter()
        .map_init(
            || (Vec::new(), vec![0; units.len()]),
            |(drawn, weights), resample| {
                let mut rng = random::stream(*seed, "bootstrap", [resample, 0]);
                units.draw(drawn, weights, &mut rng);
                statistics(weights)
            },
        )
        .collect();
    let interval = |index: usize| {
        let mut values: Vec<f64> = draws.iter().filter_map(|draw| draw[index]).collect();
        values.sort_by(f64::total_cmp);
        let ends = || {
            let ends = [percentile(&values, 0.025)?, percentile(&values, 0.975)?];
            ends.iter().all(|end| end.is_finite()).then_some(ends)
        };
        let ends = are_enough(values.len(), draws.len()).then(ends).flatten();
        let agrees = ends.is_some_and(|[low, high]| low == high);
        Interval {
            ends: ends.filter(|_| !agrees),
            agrees,
            mean: values.iter().sum::<f64>() / values.len().max(1) as f64,
            left_out: draws.len() - values.len(),
        }
    };
    (0..count).map(interval).collect()
}

/// Returns the `share` quantile of `sorted`, with linear interpolation between neighbours (Hyndman and Fan's
/// type 7, numpy's default); `None` if `sorted` is empty.
pub(super) fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let low = sorted[place.floor() as usize];
    let high = sorted[place.ceil() as usize];
    Some(low + (high - low) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::{Bootstrap, intervals, percentile};

    #[test]
    fn percentiles_are_linear_between_neighbours() {
        let values = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(percentile(&values, 0.5), Some(3.0));
        assert_eq!(percentile(&values, 0.0), Some(1.0));
        assert_eq!(percentile(&values, 1.0), Some(8.0));
        assert_eq!(percentile(&[], 0.5), None);
        assert_eq!(percentile(&[7.0], 0.975), Some(7.0));
    }

    /// Returns a statistic: the share of examples below `successes`.
    fn share(successes: usize) -> impl Fn(&[u32]) -> Vec<Option<f64>> + Sync {
        move |weights| {
            let hits: u32 = weights[..successes].iter().sum();
            vec![Some(f64::from(hits) / weights.len() as f64)]
        }
    }

    #[test]
    fn interval_of_a_share_is_that_of_the_binomial() {
        // The standard error is √(0.2 · 0.8 / 400) = 0.02, and the interval has 1.96 of them on both sides.
        let found = intervals(&Bootstrap::of_images(400, 4000, 7), 1, share(80));
        let [low, high] = found[0].ends.unwrap();
        assert!((low - 0.1608).abs() < 0.006, "{low}");
        assert!((high - 0.2392).abs() < 0.006, "{high}");
    }

    #[test]
    fn intervals_depend_on_the_seed_and_not_on_threads() {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| intervals(&Bootstrap::of_images(50, 300, 1), 1, share(20)))
        };
        assert_eq!(on(1), on(3));
        assert_ne!(
            on(1),
            intervals(&Bootstrap::of_images(50, 300, 2), 1, share(20))
        );
    }

    #[test]
    fn undefined_statistics_have_no_interval() {
        assert_eq!(
            intervals(&Bootstrap::of_images(3, 10, 0), 1, |_| vec![None])[0].ends,
            None
        );
        assert_eq!(
            intervals(&Bootstrap::of_images(3, 0, 0), 1, |_| vec![Some(1.0)])[0].ends,
            None
        );
    }

    #[test]
    fn resamples_that_agree_give_no_interval() {
        let bootstrap = Bootstrap::of_images(20, 100, 0);
        let found = intervals(&bootstrap, 2, |weights| {
            vec![Some(1.0), Some(f64::from(weights[0]))]
        });
        assert_eq!((found[0].ends, found[0].agrees), (None, true));
        assert!(found[1].ends.is_some() && !found[1].agrees);
        // Without resamples, there is nothing that could agree.
        let none = intervals(&Bootstrap::of_images(20, 0, 0), 1, |_| vec![Some(1.0)]);
        assert!(!none[0].agrees);
    }

    /// If infinite values were left out, the interval would end below them.
    #[test]
    fn an_interval_with_an_infinite_end_is_none() {
        let share_of_infinite = |least: u32| {
            let bootstrap = Bootstrap::of_images(8, 1000, 0);
            intervals(&bootstrap, 1, |weights| {
                let is_infinite = weights[0] >= least;
                vec![Some(if is_infinite { f64::INFINITY } else { 1.0 })]
            })[0]
        };
        // One of eight images is drawn at least once with 1 − (7/8)^8 = 0.66, and at least five times with 0.001.
        assert_eq!(share_of_infinite(1).ends, None);
        assert_eq!(share_of_infinite(1).left_out, 0);
        assert!(!share_of_infinite(1).agrees);
        // All other resamples are 1.
        assert_eq!(share_of_infinite(5).ends, None);
        assert!(share_of_infinite(5).agrees);
    }

    #[test]
    fn resamples_that_do_not_define_a_statistic_are_left_out_and_counted() {
        // Of two images, the first is drawn in three of four resamples, and drawn twice in one of four.
        let drawn = |least: u32| {
            let bootstrap = Bootstrap::of_images(2, 400, 0);
            intervals(&bootstrap, 1, |weights| {
                vec![(weights[0] >= least).then_some(f64::from(weights[1]))]
            })[0]
        };
        let often = drawn(1);
        assert_eq!(often.ends, Some([0.0, 1.0]));
        assert!((70..130).contains(&often.left_out), "{often:?}");
        let seldom = drawn(2);
        assert_eq!(seldom.ends, None);
        assert!((270..330).contains(&seldom.left_out), "{seldom:?}");
    }
}
