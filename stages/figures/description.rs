//! Figures in words, for readers who cannot see them.

use contract::Direction;
use contract::analysis::{
    Bars, ConfusionMatrix, DecisionCurve, Estimate, Figure, LearningCurves, ParallelCoordinates,
    PrecisionRecall, Reliability, ReliabilityCurve, Roc, Scale, Training,
};

use super::page::shortened;
use super::ruler::short;

/// Number of values of a list that a description names.
const NAMED: usize = 40;

/// A title and a description of a figure.
pub(super) struct Description {
    pub(super) title: String,
    pub(super) text: String,
}

pub(super) fn describe(figure: &Figure<'_>) -> Description {
    let (title, text) = match figure {
        Figure::LearningCurves(figure) => (
            format!("Learning curves: {}", shortened(figure.title)),
            learning_curves(figure),
        ),
        Figure::ParallelCoordinates(figure) => (
            format!("Trials: {}", shortened(figure.title)),
            parallel_coordinates(figure),
        ),
        Figure::Roc(figure) => (
            format!("ROC curve: {}", shortened(&figure.positive)),
            roc(figure),
        ),
        Figure::PrecisionRecall(figure) => (
            format!("Precision and recall: {}", shortened(&figure.positive)),
            precision_recall(figure),
        ),
        Figure::Confusion(figure) => (
            format!("Confusion matrix: {}", shortened(&figure.title)),
            confusion(figure),
        ),
        Figure::Reliability(figure) => (
            format!("Calibration: {}", shortened(&figure.class)),
            reliability(figure),
        ),
        Figure::Training(figure) => (shortened(&figure.title).into_owned(), training(figure)),
        Figure::Bars(figure) => (shortened(&figure.title).into_owned(), bars(figure)),
        Figure::DecisionCurve(figure) => (
            format!("Decision curve: {}", shortened(&figure.positive)),
            decision_curve(figure),
        ),
    };
    // A pipeline may have an empty name; an element without a name is of no use.
    let title = match title.trim() {
        "" => "figure".to_owned(),
        _ => title,
    };
    Description { title, text }
}

/// Formats `0.959, 95 % interval 0.943 to 0.972 over test images`.
fn estimate(estimate: &Estimate) -> String {
    if !estimate.value.is_finite() {
        return "undefined".to_owned();
    }
    let value = format!("{:.3}", estimate.value);
    match estimate.interval {
        Some(interval) => {
            let [low, high] = interval.ends;
            format!(
                "{value}, 95 % interval {low:.3} to {high:.3} over {}",
                interval.over
            )
        }
        None => value,
    }
}

fn roc(figure: &Roc) -> String {
    let at = figure.operating.as_ref().map(|point| {
        format!(
            " At {}, the false positive rate is {:.3} and the recall {:.3}.",
            shortened(&point.rule),
            point.at.0,
            point.at.1
        )
    });
    format!(
        "True positive rate against false positive rate of {}. Area under the curve: {}.{}",
        shortened(&figure.positive),
        estimate(&figure.area),
        at.unwrap_or_default()
    )
}

fn precision_recall(figure: &PrecisionRecall) -> String {
    let at = figure.operating.as_ref().map(|point| {
        format!(
            " At {}, the recall is {:.3} and the precision {:.3}.",
            shortened(&point.rule),
            point.at.0,
            point.at.1
        )
    });
    format!(
        "Precision against recall of {}. Average precision: {}. Share of the images that are {}: {:.3}.{}",
        shortened(&figure.positive),
        estimate(&figure.average_precision),
        shortened(&figure.positive),
        figure.prevalence,
        at.unwrap_or_default()
    )
}

fn decision_curve(figure: &DecisionCurve) -> String {
    let positive = shortened(&figure.positive);
    let points = figure.points.iter().filter(|point| {
        let tenths = point.threshold * 10.0;
        (tenths - tenths.round()).abs() < 1e-9
    });
    let points = points.map(|point| {
        format!(
            "threshold {:.1}, model: {:.3}, treat all: {:.3}",
            point.threshold, point.model, point.all
        )
    });
    let at = figure.operating_point().map(|(threshold, benefit)| {
        format!(" At the threshold in use, {threshold:.3}, that of the model is {benefit:.3}.")
    });
    format!(
        "Net benefit against the threshold on the probability of {positive}, for a prevalence of {:.3}. Treat none has the \
         net benefit 0.{} {}",
        figure.prevalence,
        at.unwrap_or_default(),
        listed(points.collect())
    )
}

fn confusion(figure: &ConfusionMatrix) -> String {
    let cells = figure
        .classes
        .iter()
        .zip(&figure.counts)
        .flat_map(|(actual, row)| {
            let cells = figure.classes.iter().zip(row);
            cells.map(move |(predicted, count)| {
                let [actual, predicted] = [actual, predicted].map(|class| shortened(class));
                format!("{count} of actual class {actual} predicted as {predicted}")
            })
        });
    listed(cells.collect())
}

fn reliability(figure: &Reliability) -> String {
    let curve = |curve: &ReliabilityCurve| {
        let bins = curve.bins.iter().map(|bin| {
            format!(
                "predicted {:.3}, observed {:.3} of {} images",
                bin.predicted, bin.observed, bin.images
            )
        });
        let when = match curve.name.as_str() {
            "" => String::new(),
            name => format!(" {name} calibration"),
        };
        format!(
            "Expected calibration error{when}: {}. {}",
            estimate(&curve.ece),
            listed(bins.collect())
        )
    };
    let curves: Vec<String> = figure.curves.iter().map(curve).collect();
    format!(
        "Observed share of {} against its predicted probability, and a histogram of the probabilities. {}",
        shortened(&figure.class),
        curves.join(" ")
    )
}

fn training(figure: &Training) -> String {
    let curves = figure.curves.iter().filter_map(|curve| {
        let mut finite = curve.points.iter().filter(|(_, value)| value.is_finite());
        let at = |(epoch, value): &(f64, f64)| format!("{} after epoch {epoch}", short(*value));
        let first = at(finite.next()?);
        let values = match finite.next_back() {
            Some(last) => format!("{first}, {}", at(last)),
            None => first,
        };
        Some(format!("{}: {values}", shortened(&curve.name)))
    });
    let best = figure
        .best
        .map(|epoch| format!(" Weights are kept from epoch {epoch}."));
    format!(
        "{} over the epochs of a training. {}{}",
        shortened(&figure.measure),
        listed(curves.collect()),
        best.unwrap_or_default()
    )
}

fn learning_curves(figure: &LearningCurves<'_>) -> String {
    let stopped = figure.curves.iter().filter(|curve| curve.stopped).count();
    let best = figure.best.and_then(|(at, name)| {
        let points = &figure.curves.get(at)?.points;
        let &(epoch, value) = points.iter().rfind(|(_, value)| value.is_finite())?;
        Some(format!(
            " Best: {}, {} after epoch {epoch}.",
            shortened(name),
            short(value)
        ))
    });
    let ends = figure.curves.iter().filter_map(|curve| {
        let mut points = curve.points.iter();
        points.rfind(|(_, value)| value.is_finite())
    });
    let range = range(ends.map(|&(_, value)| value));
    let range = range.map(|range| format!(" The last values are {range}."));
    format!(
        "{} over the epochs of {} trials, of which {stopped} were stopped early.{}{}",
        shortened(figure.metric),
        figure.curves.len(),
        range.unwrap_or_default(),
        best.unwrap_or_default()
    )
}

fn parallel_coordinates(figure: &ParallelCoordinates<'_>) -> String {
    let axes = figure
        .axes
        .iter()
        .take(NAMED)
        .map(|axis| shortened(&axis.name));
    let axes: Vec<_> = axes.collect();
    let direction = match figure.direction {
        Direction::Maximize => "higher",
        Direction::Minimize => "lower",
    };
    let best = figure.best.and_then(|(at, name)| {
        let trial = figure.trials.get(at)?;
        let values = figure.axes.iter().zip(&trial.values);
        let values = values.filter_map(|(axis, value)| {
            let value = match (&axis.scale, *value) {
                (_, None) => return None,
                (Scale::Choice(names), Some(at)) => shortened(names.get(at as usize)?).into_owned(),
                (Scale::Linear | Scale::Log, Some(value)) => short(value),
            };
            Some(format!("{} {value}", shortened(&axis.name)))
        });
        let values: Vec<String> = values.take(NAMED).collect();
        let with = match values.is_empty() {
            true => String::new(),
            false => format!(", with {}", values.join(", ")),
        };
        let value = short(trial.objective);
        Some(format!(" Best: {}, {value}{with}.", shortened(name)))
    });
    let objectives = figure.trials.iter().map(|trial| trial.objective);
    let range = range(objectives.filter(|objective| objective.is_finite()));
    let range = range.map(|range| format!(" The objectives are {range}."));
    format!(
        "{} trials as lines across the axes {} and {}, where {direction} is better.{}{}",
        figure.trials.len(),
        axes.join(", "),
        shortened(figure.objective),
        range.unwrap_or_default(),
        best.unwrap_or_default()
    )
}

/// Formats `from 0.61 to 0.93`, for finite values; `None` if there are none.
fn range(values: impl Iterator<Item = f64>) -> Option<String> {
    let ends = values.fold(None, |ends, value| match ends {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    });
    ends.map(|(low, high): (f64, f64)| format!("from {} to {}", short(low), short(high)))
}

fn bars(figure: &Bars) -> String {
    let values = figure.groups.iter().flat_map(|group| {
        let values = group.values.iter().enumerate();
        values.map(move |(at, value)| {
            let series = match (figure.series.len(), figure.series.get(at)) {
                (2.., Some(series)) => format!(", {}", shortened(series)),
                _ => String::new(),
            };
            let value = match value.is_finite() {
                true => short(*value),
                false => "missing".to_owned(),
            };
            format!("{}{series}: {value}", shortened(&group.name))
        })
    });
    format!("{}. {}", figure.measure, listed(values.collect()))
}

/// Joins the first of `values` to a sentence, and says how many more there are.
fn listed(values: Vec<String>) -> String {
    let Some(more) = values.len().checked_sub(NAMED).filter(|more| *more > 0) else {
        return format!("{}.", values.join("; "));
    };
    format!("{}; and {more} more.", values[..NAMED].join("; "))
}
