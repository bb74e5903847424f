//! How one classifier's evaluations differ from another's.

use serde::Serialize;

use super::evaluation::{Evaluation, Unlike};
use crate::metrics::{Difference, McNemar, Measure, Pair, Scored, median_rule, paired_difference};

/// What two classifiers differ in on the same images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contrast {
    /// Images that both were evaluated on, under the first seed.
    pub images: usize,
    /// Seeds that both were trained under.
    pub seeds: usize,
    /// Mean over the seeds of `a` less that of `b`.
    #[serde(flatten)]
    pub difference: Difference,
    /// Whether the one makes more mistakes than the other, where the measure is the accuracy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcnemar: Option<Mistakes>,
}

/// McNemar's test under every seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mistakes {
    /// That of all seeds together, by [`median_rule`].
    pub p: f64,
    /// One for each seed.
    pub tests: Vec<McNemar>,
}

/// Why there is nothing to say of two classifiers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    #[error(transparent)]
    Unlike(#[from] Unlike),
    #[error("not as many seeds")]
    Seeds,
    #[error("no meaning with these labels")]
    Undefined,
}

/// What `a` has of `measure` less what `b` has, with `resamples` of [`paired_difference`]. Each side is
/// one classifier, evaluated once for each seed; what is at the same place has the same seed.
///
/// # Errors
/// If the evaluations of a seed are not of the same images, or a side lacks a seed.
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
    // Images of other names are others. Where each seed drew its own under the same names, drawing them
    // together comes to the same.
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
    Ok(Contrast {
        images: scored_a.first().map_or(0, Scored::examples),
        seeds: pairs.len(),
        difference: difference.ok_or(Incomparable::Undefined)?,
        mcnemar: match measure {
            Measure::Accuracy => mistakes(&pairs),
            _ => None,
        },
    })
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
