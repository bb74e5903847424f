//! Compares the evaluations of two classifiers.

use serde::Serialize;

use super::evaluation::{Evaluation, Unlike};
use crate::metrics::{
    Difference, McNemar, Measure, Pair, Scored, median_rule, paired_difference, spread,
};

/// Difference between two classifiers on the same images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contrast {
    /// Number of images that both were evaluated on, under the first seed.
    pub images: usize,
    /// Number of seeds that both were trained under.
    pub seeds: usize,
    /// Mean over the seeds of the value of `a` minus that of `b`.
    #[serde(flatten)]
    pub difference: Difference,
    /// McNemar's test of whether one makes more mistakes than the other. Present if the measure is the
    /// accuracy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcnemar: Option<Mistakes>,
}

/// McNemar's test under every seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mistakes {
    /// The p-value of all seeds together, by [`median_rule`].
    pub p: f64,
    /// One test for each seed.
    pub tests: Vec<McNemar>,
}

/// Reasons why two classifiers cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    #[error(transparent)]
    Unlike(#[from] Unlike),
    #[error("not as many seeds")]
    Seeds,
    #[error("no meaning with these labels")]
    Undefined,
}

/// Returns the value of `measure` for `a` minus that for `b`, with `resamples` resamples of
/// [`paired_difference`]. With several seeds, the interval also covers the spread over the seeds. Each side
/// is one classifier, evaluated once for each seed. Entries at the same position have the same seed.
///
/// # Errors
/// If the evaluations of a seed are not of the same images, or if a side lacks a seed.
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
        a.is_like(b)?;
    }
    // Images with different names are different images. If seeds have different images under the same names,
    // it makes no difference on average that these are drawn together.
    let images = a.iter().map(|evaluation| {
        let same = a.iter().position(|first| first.names == evaluation.names);
        same.unwrap_or_default()
    });
    let scored = |side: &[Evaluation]| side.iter().map(Evaluation::scored).collect::<Vec<_>>();
    let (scored_a, scored_b) = (scored(a), scored(b));
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
        difference: no_surer_than_seeds(difference, &pairs, measure),
        mcnemar: match measure {
            Measure::Accuracy => mistakes(&pairs),
            _ => None,
        },
    })
}

/// Combines two estimates of the uncertainty into the wider interval and the larger p. The bootstrap accounts
/// for the images, but treats a few seeds as all there are (one in nine draws of three from three consists of
/// a single seed). Student's paired t over the seeds accounts for how little a few seeds say, but not for the
/// images.
fn no_surer_than_seeds(difference: Difference, pairs: &[Pair<'_>], measure: Measure) -> Difference {
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
        p: spread
            .p_of_no_mean()
            .map_or(difference.p, |p| p.max(difference.p)),
        ..difference
    }
}

fn mistakes(pairs: &[Pair<'_>]) -> Option<Mistakes> {
    let test = |pair: &Pair<'_>| McNemar::of(&pair.a.right(), &pair.b.right());
    let tests: Vec<McNemar> = pairs.iter().map(test).collect();
    let p_values: Vec<f64> = tests.iter().map(|test| test.p).collect();
    Some(Mistakes {
        p: median_rule(&p_values)?,
        tests,
    })
}

#[cfg(test)]
mod tests;
