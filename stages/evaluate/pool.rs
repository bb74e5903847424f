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
    let is_same_rule = folds
        .iter()
        .all(|f| f.threshold_rule == first.threshold_rule);
    Ok(Evaluation {
        names: images.iter().map(|image| name(image).to_owned()).collect(),
        pixels: checksum(folds),
        groups: match is_grouped {
            true => images.iter().map(group).collect(),
            false => Vec::new(),
        },
        folds: images.iter().map(|&(fold, _)| fold as u32).collect(),
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
        threshold_rule: first.threshold_rule.clone().filter(|_| is_same_rule),
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
/// trained without it. Measures of rankings compare images of the same fold only ([`ranks`](crate::metrics::Measure::ranks)). With several seeds,
/// the value is their mean. The interval accounts for the test images, and for seeds
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
    let found = over_seeds_and_images(measure, &pooled, RESAMPLES);
    Ok(Some(Summary {
        interval: found.interval_or(of_seeds.interval),
        resamples_agree: found.agree,
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
    let values = seeds.concat();
    let all = spread(&values)?;
    let variances = seeds
        .iter()
        .filter_map(|folds| Some(spread(folds)?.sd?.powi(2)));
    let variances: Vec<f64> = variances.collect();
    let variance = variances.iter().sum::<f64>() / variances.len() as f64;
    Some(FoldSpread {
        count: seeds.iter().map(Vec::len).max().unwrap_or_default(),
        mean: all.mean,
        sd: (!variances.is_empty()).then(|| variance.sqrt()),
        range: values
            .iter()
            .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &value| {
                [low.min(value), high.max(value)]
            }),
        compares_within: measure.measure.ranks(),
    })
}

#[cfg(test)]
mod tests {
    use contract::analysis::{Evaluation, Over};

    use super::{NotPooled, pool, summarize_folds};
    use crate::evaluate::Unlike;

    /// The lowest probability that each fold classifies as positive.
    const THRESHOLDS: [f32; 4] = [0.3, 0.4, 0.5, 0.35];

    /// Returns four folds of 24 images. Image `i` is positive if 3 divides it. With `grouped`, neighbours are a group.
    fn folds(grouped: bool) -> Vec<Evaluation> {
        let fold = |fold: usize| {
            let images = (0..24usize).filter(|i| (i * i + i / 5) % 4 == fold);
            let images: Vec<usize> = images.collect();
            let score = |&i: &usize| {
                let base = ((i * 37 + 11) % 50) as f64 / 100.0;
                (base + 0.25 * f64::from(i % 3 == 0)) as f32
            };
            let predicted = |i: &usize| u32::from(score(i) >= THRESHOLDS[fold]);
            Evaluation {
                names: images.iter().map(|i| format!("{i:02}")).collect(),
                pixels: Some(format!("{:016x}", (u64::MAX - 1).wrapping_add(fold as u64))),
                groups: match grouped {
                    true => images.iter().map(|i| format!("g{}", i / 2)).collect(),
                    false => Vec::new(),
                },
                folds: Vec::new(),
                labels: images.iter().map(|i| u32::from(i % 3 == 0)).collect(),
                predicted: images.iter().map(predicted).collect(),
                probabilities: images
                    .iter()
                    .flat_map(|i| [1.0 - score(i), score(i)])
                    .collect(),
                classes: vec!["healthy".to_owned(), "ill".to_owned()],
                positive: 1,
                threshold: Some((1, f64::from(THRESHOLDS[fold]))),
                threshold_rule: None,
            }
        };
        (0..4).map(fold).collect()
    }

    #[test]
    fn every_image_has_the_prediction_of_its_fold_in_the_order_of_names() {
        let folds = folds(true);
        let pooled = pool(&folds).unwrap();
        let names: Vec<String> = (0..24).map(|i| format!("{i:02}")).collect();
        assert_eq!(pooled.names, names);
        for fold in &folds {
            for (i, name) in fold.names.iter().enumerate() {
                let at = pooled.names.iter().position(|other| other == name).unwrap();
                assert_eq!(pooled.labels[at], fold.labels[i]);
                assert_eq!(pooled.predicted[at], fold.predicted[i]);
                assert_eq!(pooled.groups[at], fold.groups[i]);
                assert_eq!(&folds[pooled.folds[at] as usize], fold);
                assert_eq!(
                    pooled.probabilities[2 * at..][..2],
                    fold.probabilities[2 * i..][..2]
                );
            }
        }
        // The thresholds differ, so there is no common one.
        assert_eq!(pooled.threshold, None);
        // The sum of the checksums, which wraps around, does not depend on the order of the folds.
        assert_eq!(pooled.pixels.as_deref(), Some("fffffffffffffffe"));
        let mut reversed = folds.clone();
        reversed.reverse();
        let again = pool(&reversed).unwrap();
        let renumbered: Vec<u32> = again.folds.iter().map(|fold| 3 - fold).collect();
        assert_eq!(renumbered, pooled.folds);
        let folds = pooled.folds.clone();
        assert_eq!(Evaluation { folds, ..again }, pooled);
    }

    /// `sklearn.metrics` of scikit-learn 1.9.1: `f1_score`, `accuracy_score` and `brier_score_loss` of all predictions,
    /// and `np.mean` and `np.std(ddof=1)` of those of the folds. `roc_auc_score` and `average_precision_score` are
    /// `np.average` over the folds, with the numbers of pairs and of positive images as weights.
    #[test]
    fn metrics_of_pooled_predictions_agree_with_scikit_learn() {
        let cases = [
            ("roc_auc", 0.875, 0.888888888888889, 0.10393492741038726),
            (
                "average_precision",
                0.8645833333333333,
                0.875,
                0.1075828707279838,
            ),
            (
                "f1",
                0.7368421052631579,
                0.7142857142857142,
                0.09523809523809523,
            ),
            (
                "accuracy",
                0.7916666666666666,
                0.7916666666666667,
                0.048112522432468836,
            ),
            (
                "brier",
                0.14301666617393494,
                0.14040937088429928,
                0.024352264411804304,
            ),
        ];
        for (metric, value, mean, sd) in cases {
            let found = summarize_folds(metric, &[folds(false)]).unwrap().unwrap();
            let of_folds = found.folds.unwrap();
            for (ours, theirs) in [
                (found.mean, value),
                (of_folds.mean, mean),
                (of_folds.sd.unwrap(), sd),
            ] {
                assert!(
                    (ours - theirs).abs() < 1e-6,
                    "{metric}: {ours}, not {theirs}"
                );
            }
            assert_eq!((found.n, found.sd, of_folds.count), (1, None, 4));
            assert_eq!(
                of_folds.compares_within,
                ["roc_auc", "average_precision"].contains(&metric)
            );
            assert!(!of_folds.excludes(found.mean), "{metric}: {of_folds:?}");
            let interval = found.interval.unwrap();
            assert_eq!(interval.over, Over::Images);
            assert!(interval.ends[0] <= value && value <= interval.ends[1]);
        }
        let f1 = summarize_folds("f1", &[folds(true)]).unwrap().unwrap();
        assert_eq!(f1.interval.unwrap().over, Over::Groups);
        assert_eq!(f1.positive.as_deref(), Some("ill"));
        let thresholds = f1.decision.unwrap().thresholds.map(|value| value as f32);
        assert_eq!(thresholds, [0.3, 0.5]);
        assert_eq!(summarize_folds("best_epoch", &[folds(true)]), Ok(None));
    }

    /// Scores of all images together have the area 0.676 (scikit-learn 1.9.1: `roc_auc_score`), although the order of the
    /// images within each fold is the same as before.
    #[test]
    fn a_fold_with_another_scale_of_scores_does_not_change_the_area() {
        let plain = folds(false);
        let scale = |(fold, offset): (&Evaluation, f32)| Evaluation {
            probabilities: fold
                .probabilities
                .chunks_exact(2)
                .map(|pair| 0.5 * pair[1] + offset)
                .flat_map(|score| [1.0 - score, score])
                .collect(),
            ..fold.clone()
        };
        let scaled = plain.iter().zip([0.1, 0.0, 0.2, 0.3]).map(scale);
        let scaled: Vec<Evaluation> = scaled.collect();
        for metric in ["roc_auc", "macro_roc_auc", "average_precision"] {
            let [before, after] = [&plain, &scaled].map(|folds| {
                let found = summarize_folds(metric, std::slice::from_ref(folds));
                found.unwrap().unwrap()
            });
            assert_eq!(before, after, "{metric}");
        }
        let pooled = pool(&scaled).unwrap();
        let value = |pooled: &Evaluation| {
            let images = vec![1; pooled.names.len()];
            let scored = crate::evaluate::evaluation::scored(pooled, None).unwrap();
            scored
                .value(crate::metrics::Measure::RocAuc, &images)
                .unwrap()
        };
        assert_eq!(value(&pooled), 0.875);
        let without = Evaluation {
            folds: Vec::new(),
            ..pooled
        };
        assert!((value(&without) - 0.67578125).abs() < 1e-9);
    }

    /// Both models say 0.5. In one fold, 7 of 8 images are ill, and in the other 1 of 8: the errors cancel out.
    #[test]
    fn a_value_outside_of_the_range_of_the_folds_is_noticed() {
        let fold = |name: &str, ill: u32| Evaluation {
            names: (0..8).map(|i| format!("{name}{i}")).collect(),
            labels: (0..8).map(|i| u32::from(i < ill)).collect(),
            predicted: vec![0; 8],
            probabilities: vec![0.5; 16],
            ..folds(false)[0].clone()
        };
        let ece = summarize_folds("ece", &[vec![fold("a", 7), fold("b", 1)]]);
        let ece = ece.unwrap().unwrap();
        let of_folds = ece.folds.unwrap();
        assert_eq!((ece.mean, of_folds.range), (0.0, [0.375; 2]));
        assert!(of_folds.excludes(ece.mean) && !of_folds.excludes(0.3749));
    }

    /// numpy 2.4.6: percentiles of 20,000 resamples of the pooled predictions, moved down by the difference between their
    /// mean and the value, and cut off at 0. The raw percentiles of `ece` are 0.159 and 0.364, both above its value.
    #[test]
    fn intervals_of_binned_measures_are_corrected_for_the_noise_of_resampling() {
        for (metric, value, low, high) in [
            ("ece", 0.144_166_67, 0.0446, 0.2496),
            ("brier_reliability", 0.028_702_08, 0.0, 0.0996),
            ("brier_resolution", 0.107_907_64, 0.0245, 0.1741),
        ] {
            let found = summarize_folds(metric, &[folds(false)]).unwrap().unwrap();
            assert!((found.mean - value).abs() < 1e-6, "{metric}: {found:?}");
            let ends = found.interval.unwrap().ends;
            for (ours, theirs) in ends.into_iter().zip([low, high]) {
                assert!((ours - theirs).abs() < 0.015, "{metric}: {ends:?}");
            }
        }
    }

    #[test]
    fn seeds_of_cross_validations_share_their_images_however_they_are_divided() {
        // Another division: the same images, in two folds.
        let four = folds(false);
        let pair = |a: usize, b: usize| {
            let mut one = pool(&[four[a].clone(), four[b].clone()]).unwrap();
            one.threshold = four[a].threshold;
            one
        };
        let seeds = [four.clone(), vec![pair(0, 2), pair(1, 3)]];
        let found = summarize_folds("brier", &seeds).unwrap().unwrap();
        assert_eq!((found.n, found.sd), (2, Some(0.0)));
        // If the seeds counted as tested on different images, the interval would be narrower by √2.
        let one = summarize_folds("brier", &seeds[..1]).unwrap().unwrap();
        let width = |ends: [f64; 2]| ends[1] - ends[0];
        let [both, alone] = [&found, &one].map(|one| width(one.interval.unwrap().ends));
        assert_eq!(found.interval.unwrap().over, Over::SeedsAndImages);
        assert!(both > 0.85 * alone, "{both} {alone}");
    }

    #[test]
    fn folds_that_are_not_of_one_cross_validation_are_refused() {
        let folds = folds(false);
        let twice = [folds[0].clone(), folds[1].clone(), folds[0].clone()];
        let name = folds[0].names[0].clone();
        assert_eq!(pool(&twice), Err(NotPooled::Twice(name)));
        let mut other = folds.clone();
        other[1].positive = 0;
        assert_eq!(pool(&other), Err(NotPooled::Unlike(Unlike::Positive)));
        other[1].classes[0] = "other".to_owned();
        assert_eq!(pool(&other), Err(NotPooled::Unlike(Unlike::Classes)));
        assert_eq!(pool(&[]), Err(NotPooled::Empty));
    }
}
