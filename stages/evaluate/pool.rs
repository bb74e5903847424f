//! Pools the evaluations of the folds of a cross-validation.

use contract::analysis::{Evaluation, FoldSpread, Summary};

use super::evaluation::{Unlike, scored};
use super::summary::{decision, over_seeds_and_images, positive};
use crate::metrics::{NamedMeasure, spread};

/// Resamples of the images.
const RESAMPLES: usize = 2000;

/// Reasons why the evaluations of folds cannot be pooled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPooled {
    #[error("there are no folds")]
    Empty,
    #[error(transparent)]
    Unlike(#[from] Unlike),
    #[error("the image `{0}` was tested in two folds")]
    Twice(String),
}

/// Returns the predictions of all folds as one evaluation, with the images sorted by name. Each image must have been
/// tested in one fold only. The threshold is that of the folds if it is the same in all of them.
pub fn pool(folds: &[Evaluation]) -> Result<Evaluation, NotPooled> {
    let first = folds.first().ok_or(NotPooled::Empty)?;
    for fold in folds {
        if fold.classes != first.classes {
            return Err(Unlike::Classes.into());
        }
        if fold.positive != first.positive {
            return Err(Unlike::Positive.into());
        }
    }
    let images = folds.iter().enumerate();
    let images = images.flat_map(|(fold, one)| (0..one.names.len()).map(move |i| (fold, i)));
    let mut images: Vec<(usize, usize)> = images.collect();
    let name = |&(fold, i): &(usize, usize)| folds[fold].names[i].as_str();
    images.sort_by(|a, b| name(a).cmp(name(b)));
    if let Some(pair) = images
        .windows(2)
        .find(|pair| name(&pair[0]) == name(&pair[1]))
    {
        return Err(NotPooled::Twice(name(&pair[0]).to_owned()));
    }
    let classes = first.classes.len();
    let is_grouped = folds.iter().any(|fold| !fold.groups.is_empty());
    // An image without a group is a group of its own, and gets its own name.
    let group = |image: &(usize, usize)| match folds[image.0].groups.get(image.1) {
        Some(group) => group.clone(),
        None => name(image).to_owned(),
    };
    let probabilities = images.iter().flat_map(|&(fold, i)| {
        let all = &folds[fold].probabilities;
        all[i * classes..][..classes].iter().copied()
    });
    let is_same = folds.iter().all(|fold| fold.threshold == first.threshold);
    Ok(Evaluation {
        names: images.iter().map(|image| name(image).to_owned()).collect(),
        pixels: checksum(folds),
        groups: match is_grouped {
            true => images.iter().map(group).collect(),
            false => Vec::new(),
        },
        labels: images
            .iter()
            .map(|&(fold, i)| folds[fold].labels[i])
            .collect(),
        predicted: images
            .iter()
            .map(|&(fold, i)| folds[fold].predicted[i])
            .collect(),
        probabilities: probabilities.collect(),
        classes: first.classes.clone(),
        positive: first.positive,
        threshold: first.threshold.filter(|_| is_same),
    })
}

/// Returns the checksum of the images of all folds: the sum of those of the folds, which does not depend on how the
/// images were divided. `None` if a fold has none.
fn checksum(folds: &[Evaluation]) -> Option<String> {
    let of_fold = |fold: &Evaluation| u64::from_str_radix(fold.pixels.as_ref()?, 16).ok();
    let all: Vec<u64> = folds.iter().map(of_fold).collect::<Option<_>>()?;
    let sum = all.into_iter().fold(0, u64::wrapping_add);
    Some(format!("{sum:016x}"))
}

/// Summarizes a metric of cross-validations that differ only in their seed. `seeds` has the evaluations of all folds
/// for each seed.
///
/// The value is that of the pooled predictions: every image counts once, with the prediction of a model that was
/// trained without it. With several seeds, it is their mean. The interval accounts for the test images, and for seeds
/// if there are several, but not for other divisions into folds or other training images: there is no unbiased
/// estimate of that (Bengio and Grandvalet, 2004). `None` if the metric is not computed from predictions, or is
/// undefined.
///
/// # Errors
/// If the folds of a seed cannot be pooled.
pub fn summarize_folds(
    metric: &str,
    seeds: &[Vec<Evaluation>],
) -> Result<Option<Summary>, NotPooled> {
    let Some(measure) = NamedMeasure::new(metric) else {
        return Ok(None);
    };
    let pooled: Vec<Evaluation> = seeds
        .iter()
        .map(|folds| pool(folds))
        .collect::<Result<_, _>>()?;
    let values: Option<Vec<f64>> = pooled.iter().map(|one| value(measure, one)).collect();
    let Some(of_seeds) = values.as_deref().and_then(spread) else {
        return Ok(None);
    };
    // What is shown about thresholds covers those of all folds.
    let all: Vec<Evaluation> = seeds.concat();
    Ok(Some(Summary {
        interval: over_seeds_and_images(measure, &pooled, RESAMPLES).or(of_seeds.interval),
        positive: positive(measure, &pooled),
        decision: decision(measure.measure, &all),
        folds: of_folds(measure, seeds),
        ..of_seeds
    }))
}

fn value(measure: NamedMeasure<'_>, evaluation: &Evaluation) -> Option<f64> {
    let images = vec![1; evaluation.names.len()];
    scored(evaluation, measure.class)?.value(measure.measure, &images)
}

/// Returns the mean over all folds, and the standard deviation over the folds of a seed: the root of the mean variance
/// if there are several seeds. Folds for which the measure is undefined are left out; `None` if no fold is left.
fn of_folds(measure: NamedMeasure<'_>, seeds: &[Vec<Evaluation>]) -> Option<FoldSpread> {
    let of_seed = |folds: &Vec<Evaluation>| -> Vec<f64> {
        folds
            .iter()
            .filter_map(|fold| value(measure, fold))
            .collect()
    };
    let seeds: Vec<Vec<f64>> = seeds.iter().map(of_seed).collect();
    let all = spread(&seeds.concat())?;
    let variances = seeds
        .iter()
        .filter_map(|folds| Some(spread(folds)?.sd?.powi(2)));
    let variances: Vec<f64> = variances.collect();
    let variance = variances.iter().sum::<f64>() / variances.len() as f64;
    Some(FoldSpread {
        count: seeds.iter().map(Vec::len).max().unwrap_or_default(),
        mean: all.mean,
        sd: (!variances.is_empty()).then(|| variance.sqrt()),
    })
}
