//! Measures how much better one classifier is than another on the same images.

use contract::analysis::Difference;
use contract::random;
use rayon::prelude::*;

use super::bootstrap::{percentile, redraw};
use super::scored::{Measure, Scored};

/// Two classifiers on the same images, under the same seed.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    pub a: &'a Scored,
    pub b: &'a Scored,
    /// Index of the set of images. Pairs with the same index use the same images, in the same order.
    pub images: usize,
}

/// Differences closer to 0 than this are rounding errors.
const ROUNDING: f64 = 1e-12;

/// Returns the difference of `measure` between `a` and `b`, averaged over the pairs of all seeds. Its
/// uncertainty comes from the paired bootstrap (Efron and Tibshirani, 1993, chapters 13 and 15) with
/// `resamples` resamples.
///
/// Each resample draws as many images as there are, with replacement: the same ones for both sides and for
/// every pair that uses these images. It also draws as many seeds as there are, with replacement, the same
/// ones for both sides. The interval therefore includes the variation of images and of seeds. With a single
/// seed, it includes only that of images. As with any bootstrap, few seeds make it too narrow: with k seeds,
/// their part of the width is too small by the factor √((k − 1) / k).
///
/// The p-value is 2 (m + 1) / (n + 1), at most 1. Here, n is the number of resamples, and m is the
/// smaller of two counts: the differences that are at most 0, and those that are at least 0. Adding 1 to both
/// numbers keeps the p-value above 0 (Davison and Hinkley, 1997, section 4.2). If 1 were not added, the p-value
/// would be below 0.05 if and only if the interval excluded 0, except in borderline cases. A resample in which
/// the measure is undefined is left out.
///
/// The result depends on `seed`, but not on the number of threads. Swapping the sides negates the difference
/// and the interval. Returns `None` if the measure is undefined, or if there is nothing to resample.
pub fn paired_difference(
    pairs: &[Pair<'_>],
    measure: Measure,
    resamples: usize,
    seed: u64,
) -> Option<Difference> {
    let counts = image_counts(pairs);
    if pairs.is_empty() || counts.contains(&0) {
        return None;
    }
    let ones: Vec<Vec<u32>> = counts.iter().map(|&count| vec![1; count]).collect();
    let value = mean_difference(pairs, measure, &ones, &vec![1; pairs.len()])?;

    let draw = |(images, seeds): &mut (Vec<Vec<u32>>, Vec<u32>), resample| {
        for (set, weights) in (0..).zip(images.iter_mut()) {
            let mut rng = random::stream(seed, "paired-bootstrap/images", [resample, set]);
            redraw(weights, &mut rng);
        }
        let mut rng = random::stream(seed, "paired-bootstrap/seeds", [resample, 0]);
        redraw(seeds, &mut rng);
        mean_difference(pairs, measure, images, seeds)
    };
    let draws: Vec<Option<f64>> = (0..resamples as u64)
        .into_par_iter()
        .map_init(|| (ones.clone(), vec![1; pairs.len()]), draw)
        .collect();
    summary(value, draws.into_iter().flatten().collect())
}

/// Returns the number of images in each set; 0 for an index that no pair has.
fn image_counts(pairs: &[Pair<'_>]) -> Vec<usize> {
    let sets = pairs.iter().map(|pair| pair.images + 1).max().unwrap_or(0);
    let mut counts = vec![0; sets];
    for pair in pairs {
        counts[pair.images] = pair.a.examples();
    }
    counts
}

/// Returns the mean difference over the pairs, weighted by `seeds`.
fn mean_difference(
    pairs: &[Pair<'_>],
    measure: Measure,
    images: &[Vec<u32>],
    seeds: &[u32],
) -> Option<f64> {
    let mut sum = 0.0;
    for (pair, &weight) in pairs.iter().zip(seeds).filter(|(_, weight)| **weight > 0) {
        let of = |side: &Scored| side.value(measure, &images[pair.images]);
        sum += f64::from(weight) * (of(pair.a)? - of(pair.b)?);
    }
    Some(sum / pairs.len() as f64)
}

/// Summarizes the resampled differences, `draws`; `None` if there are none. `value` is the observed one.
fn summary(value: f64, mut draws: Vec<f64>) -> Option<Difference> {
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

#[cfg(test)]
mod tests;
