//! Computes all measures of a set of predictions, with intervals.

#[cfg(test)]
mod tests;

use contract::{Metric, MetricInfo, Metrics, name_of_class};

use super::declared::{Measure, SUPPORT};
use super::predictions::{Decision, Predictions};
use super::scored::Scored;
use crate::metrics::bootstrap::{Bootstrap, Interval, intervals};
use crate::metrics::wilson::wilson_of;

/// Number of classes up to which measures of single classes, and means of the classes' ROC AUC, have intervals. With
/// more, resampling would take much longer than the predictions.
const MOST_CLASSES: usize = 20;

/// Computes all measures of `predictions`, by name: those of all classes together (`accuracy`), those of the class
/// `positive` against all others (`f1`), and the latter for each class (`f1[CLASS]`), with the numbers of images
/// (`support`). Their 95 % intervals come from `bootstrap`; without resamples, there are none. A measure that is
/// undefined for these labels, or infinite, is NaN. Macro averages of a resample are over the classes of the whole test set
/// (see [`Scored`]). If all resamples agree, a share of independent images has Wilson's interval, and other measures have
/// none.
pub fn measure(
    predictions: &Predictions<'_>,
    classes: &[String],
    decision: Decision,
    positive: usize,
    bootstrap: &Bootstrap,
) -> Metrics {
    let scored = Scored::new(predictions, predictions.decide(decision), positive);
    let (resampled, others) = measures(classes.len());
    let mut metrics = measured(
        &scored,
        [&resampled, &others],
        (classes, positive),
        bootstrap,
    );
    let confusion = scored.confusion(&vec![1; predictions.labels.len()]);
    let subject = |class: Option<usize>| classes.get(class.unwrap_or(positive)).cloned();
    for class in std::iter::once(None).chain((0..classes.len()).map(Some)) {
        let support = confusion.support(class.unwrap_or(positive));
        let metric = Metric {
            of: subject(class),
            ..SUPPORT.measured(support as f64)
        };
        metrics.insert(name(&SUPPORT, classes, class), metric);
    }
    metrics
}

/// Computes the measures of calibration ([`Measure::OF_CALIBRATION`]). The images of a resample are those that
/// [`measure`] draws, so the values of `measure` for other probabilities of the same images are paired with these.
pub fn measure_calibration(
    predictions: &Predictions<'_>,
    classes: &[String],
    positive: usize,
    bootstrap: &Bootstrap,
) -> Metrics {
    let decided = predictions.decide(Decision::MostProbable);
    let scored = Scored::new(predictions, decided, positive);
    let all = Measure::OF_CALIBRATION.map(|measure| (measure, None));
    let (resampled, others): (Vec<Asked>, Vec<Asked>) = all
        .into_iter()
        .partition(|asked| has_interval(asked, classes.len()));
    measured(
        &scored,
        [&resampled, &others],
        (classes, positive),
        bootstrap,
    )
}

/// Computes measures: first those with intervals, then those without.
fn measured(
    scored: &Scored,
    [resampled, others]: [&[Asked]; 2],
    (classes, positive): (&[String], usize),
    bootstrap: &Bootstrap,
) -> Metrics {
    let asked = [resampled, others].concat();
    let values = scored.values(&asked, &vec![1; scored.examples()]);
    let values = values.into_iter();
    let values = values.map(|value| value.filter(|value| value.is_finite()));
    let mut intervals = intervals(bootstrap, resampled.len(), |weights| {
        scored.values(resampled, weights)
    });
    intervals.resize(asked.len(), Interval::default());
    let over = bootstrap.units.over();
    let mut metrics = Metrics::new();
    for ((&(measure, class), value), interval) in asked.iter().zip(values).zip(intervals) {
        let info = measure.info();
        let agrees = value.is_some() && interval.agrees;
        let ends = match agrees {
            true => scored
                .counts_of(measure, class.unwrap_or(positive))
                .and_then(|counts| wilson_of(counts, &bootstrap.units)),
            false => value
                .zip(interval.ends)
                .map(|(value, ends)| measure.ends(ends, interval.mean, value)),
        };
        let metric = Metric {
            interval: ends,
            over: ends.map(|_| over),
            resamples_left_out: value.map_or(0, |_| interval.left_out),
            resamples_agree: agrees,
            of: classes
                .get(class.unwrap_or(positive))
                .filter(|_| info.is_of_positive)
                .cloned(),
            ..info.measured(value.unwrap_or(f64::NAN))
        };
        metrics.insert(name(info, classes, class), metric);
    }
    metrics
}

/// A measure, and the class that it is of. Without a class, it is that of the positive class or of all.
type Asked = (Measure, Option<usize>);

/// Returns all measures: those with intervals, and those without.
fn measures(classes: usize) -> (Vec<Asked>, Vec<Asked>) {
    let whole = Measure::ALL.into_iter().map(|measure| (measure, None));
    let per_class = Measure::ALL
        .into_iter()
        .filter(|measure| measure.info().per_class);
    let single =
        (0..classes).flat_map(|class| per_class.clone().map(move |measure| (measure, Some(class))));
    whole
        .chain(single)
        .partition(|asked| has_interval(asked, classes))
}

/// Returns `true` if a measure of a set of predictions for `classes` classes is resampled.
fn has_interval((measure, class): &Asked, classes: usize) -> bool {
    let covers_each = class.is_some()
        || matches!(
            measure,
            Measure::MacroRocAuc
                | Measure::BrierReliability
                | Measure::BrierResolution
                | Measure::BrierUncertainty
        );
    classes <= MOST_CLASSES || !covers_each
}

/// Returns the name of a metric, or of the same metric of one class.
fn name(info: &MetricInfo, classes: &[String], class: Option<usize>) -> String {
    match class {
        Some(class) => name_of_class(&info.name, &classes[class]),
        None => info.name.clone().into_owned(),
    }
}
