//! Summarizes a metric of evaluations that differ only in their seed.

use contract::Metric;
use contract::analysis::{Decision, Evaluation, Interval, Over, Summary};

use super::evaluation::{scored, units};
use super::repeats::Repeats;
use crate::metrics::{Measure, NamedMeasure, spread, wilson_of};

/// Resamples of the images.
const RESAMPLES: usize = 2000;

/// Seed of the bootstrap. It is fixed, so that a summary depends on the evaluations only.
const SEED: u64 = 0;

/// Summarizes the values of a metric. For a single result, the interval is the one that it was stored with. For
/// several evaluations, it accounts for seeds and test images; for several other results, only for seeds.
pub fn summarize(metric: &str, results: &[Metric], evaluations: &[Evaluation]) -> Option<Summary> {
    let values: Vec<f64> = results.iter().map(|result| result.value).collect();
    let of_seeds = spread(&values)?;
    let measure = NamedMeasure::new(metric).filter(|_| evaluations.len() == results.len());
    let Some(measure) = measure else {
        let reported = |ends, over: Option<Over>| Interval {
            ends,
            over: over.unwrap_or(Over::Reported),
        };
        let class = |result: &Metric| result.of.clone();
        let first = results.first().and_then(class);
        let is_same = results.iter().all(|result| class(result) == first);
        return Some(Summary {
            interval: match results {
                [result] => result.interval.map(|ends| reported(ends, result.over)),
                _ => of_seeds.interval,
            },
            positive: first.filter(|_| is_same),
            ..of_seeds
        });
    };
    let found = match results {
        [result] => Resamples {
            interval: result.interval.map(|ends| Interval {
                ends,
                over: Repeats::over(evaluations),
            }),
            agree: result.resamples_agree,
        },
        _ => over_seeds_and_images(measure, evaluations, RESAMPLES),
    };
    Some(Summary {
        interval: found.interval_or(of_seeds.interval),
        resamples_agree: found.agree,
        positive: positive(measure, evaluations),
        decision: decision(measure.measure, evaluations),
        ..of_seeds
    })
}

/// The interval of a mean over seeds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resamples {
    /// `None` if the measure is undefined, or if there are no images to resample.
    pub(super) interval: Option<Interval>,
    /// `true` if the mean is the same for all resamples. The interval is then Wilson's, or `None`.
    pub(super) agree: bool,
}

impl Resamples {
    /// Returns the interval, or the one over seeds only if nothing was resampled.
    pub(super) fn interval_or(self, of_seeds: Option<Interval>) -> Option<Interval> {
        match self.agree {
            true => self.interval,
            false => self.interval.or(of_seeds),
        }
    }
}

/// Returns the interval of the mean over seeds, within the range of the measure.
pub(super) fn over_seeds_and_images(
    measure: NamedMeasure<'_>,
    evaluations: &[Evaluation],
    resamples: usize,
) -> Resamples {
    let repeats = Repeats::new(evaluations, measure, resamples, SEED);
    let resampled = repeats.resampled().filter(|_| repeats.has_units());
    let found = resampled.and_then(|found| Some((found, found.estimate()?)));
    let Some((resampled, estimate)) = found else {
        return Resamples::default();
    };
    let [least, most] = measure.measure.info().range;
    let agree = estimate.interval[0] == estimate.interval[1];
    let ends = match agree {
        true => of_share(measure, evaluations),
        false => {
            let [low, high] = resampled.ends(&estimate, measure.measure);
            Some([low.max(least), high.min(most)])
        }
    };
    let over = Repeats::over(evaluations);
    Resamples {
        interval: ends.map(|ends| Interval { ends, over }),
        agree,
    }
}

/// Returns Wilson's interval of a share of independent images; `None` for other measures, and for several seeds.
fn of_share(measure: NamedMeasure<'_>, evaluations: &[Evaluation]) -> Option<[f64; 2]> {
    let [evaluation] = evaluations else {
        return None;
    };
    let counts = scored(evaluation, measure.class)?.counts(measure.measure)?;
    wilson_of(counts, &units(evaluation))
}

/// Returns the positive class of all evaluations; `None` if `measure` is not that of the positive class, or
/// if they differ.
pub(super) fn positive(measure: NamedMeasure<'_>, evaluations: &[Evaluation]) -> Option<String> {
    // The name of the metric says which class it is of.
    if measure.class.is_some() {
        return None;
    }
    let mut classes = evaluations
        .iter()
        .map(|evaluation| evaluation.classes.get(evaluation.positive as usize));
    let first = classes.next()??;
    let is_same = classes.all(|class| class == Some(first));
    (measure.measure.info().is_of_positive && is_same).then(|| first.clone())
}

/// Returns the decision rule of all evaluations; `None` if `measure` does not depend on it, or if the evaluations
/// differ in more than the threshold.
pub(super) fn decision(measure: Measure, evaluations: &[Evaluation]) -> Option<Decision> {
    if !measure.needs_decision() {
        return None;
    }
    let class = |evaluation: &Evaluation| {
        let (class, threshold) = evaluation.threshold?;
        Some((evaluation.classes.get(class as usize)?.clone(), threshold))
    };
    let all: Vec<(String, f64)> = evaluations.iter().map(class).collect::<Option<_>>()?;
    let (class, _) = all.first()?.clone();
    if all.iter().any(|(other, _)| *other != class) {
        return None;
    }
    let thresholds = || all.iter().map(|(_, threshold)| *threshold);
    Some(Decision {
        class,
        thresholds: [
            thresholds().fold(f64::INFINITY, f64::min),
            thresholds().fold(f64::NEG_INFINITY, f64::max),
        ],
    })
}
