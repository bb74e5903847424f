//! Compares the evaluations of two classifiers.

use contract::analysis::{Contrast, Difference, Evaluation, McNemar, Mistakes};

use super::evaluation::{Unlike, check_alike, scored};
use crate::metrics::{
    Measure, Pair, Scored, mcnemar, median_rule, p_of_no_mean, paired_difference, spread,
};

/// Reasons why two classifiers cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    #[error(transparent)]
    Unlike(#[from] Unlike),
    #[error("the number of seeds differs")]
    Seeds,
    #[error("the measure is undefined for these labels")]
    Undefined,
}

/// Returns the value of `measure` for `a` minus that for `b`, with `resamples` resamples of
/// [`paired_difference`]. With several seeds, the interval also covers the spread over the seeds. Each side
/// is one classifier, evaluated once for each seed. Entries at the same position have the same seed.
///
/// # Errors
/// If the evaluations of a seed are not of the same images, if the numbers of seeds differ, or if the measure is
/// undefined.
pub fn contrast(
    a: &[Evaluation],
    b: &[Evaluation],
    measure: Measure,
    resamples: usize,
    seed: u64,
) -> Result<Contrast, Incomparable> {
    if a.len() != b.len() {
        return Err(Incomparable::Seeds);
    }
    for (a, b) in a.iter().zip(b) {
        check_alike(a, b)?;
    }
    // Images with different names are different images. Seeds with the same names share one resample of
    // images. If their images differ nevertheless, the result is the same on average.
    let images = a.iter().map(|evaluation| {
        let same = a.iter().position(|first| first.names == evaluation.names);
        same.unwrap_or_default()
    });
    let scored_side = |side: &[Evaluation]| side.iter().map(scored).collect::<Vec<_>>();
    let (scored_a, scored_b) = (scored_side(a), scored_side(b));
    let pairs: Vec<Pair<'_>> = scored_a
        .iter()
        .zip(&scored_b)
        .zip(images)
        .map(|((a, b), images)| Pair { a, b, images })
        .collect();
    let difference = paired_difference(&pairs, measure, resamples, seed);
    let difference = difference.ok_or(Incomparable::Undefined)?;
    Ok(Contrast {
        images: scored_a.first().map_or(0, Scored::examples),
        seeds: pairs.len(),
        difference: widened_by_seeds(difference, &pairs, measure),
        mcnemar: match measure {
            Measure::Accuracy => mistakes(&pairs),
            _ => None,
        },
    })
}

/// Combines two estimates of the uncertainty: the interval covers both intervals, and p is the larger one. The
/// bootstrap accounts for the images, but treats a few seeds as all that exist (one in nine draws of three from
/// three consists of a single seed). Student's paired t over the seeds accounts for how little a few seeds say,
/// but not for the images.
fn widened_by_seeds(difference: Difference, pairs: &[Pair<'_>], measure: Measure) -> Difference {
    let value = |pair: &Pair<'_>| {
        let all = vec![1; pair.a.examples()];
        Some(pair.a.value(measure, &all)? - pair.b.value(measure, &all)?)
    };
    let values: Option<Vec<f64>> = pairs.iter().map(value).collect();
    let Some(spread) = values.and_then(|values| spread(&values)) else {
        return difference;
    };
    let [low, high] = difference.interval;
    let [lower, higher] = spread.interval.unwrap_or(difference.interval);
    Difference {
        interval: [low.min(lower), high.max(higher)],
        p: p_of_no_mean(&spread).map_or(difference.p, |p| p.max(difference.p)),
        ..difference
    }
}

fn mistakes(pairs: &[Pair<'_>]) -> Option<Mistakes> {
    let test = |pair: &Pair<'_>| mcnemar(&pair.a.right(), &pair.b.right());
    let tests: Vec<McNemar> = pairs.iter().map(test).collect();
    let p_values: Vec<f64> = tests.iter().map(|test| test.p).collect();
    Some(Mistakes {
        p: median_rule(&p_values)?,
        tests,
    })
}

#[cfg(test)]
mod tests;
