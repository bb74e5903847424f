//! Draws net benefit against the threshold.

use contract::Failure;
use contract::analysis::{DecisionCurve, NetBenefit};

use super::axis::Axis;
use super::canvas::Canvas;
use super::chart::{Chart, Series};
use super::color::{GRAY, PALETTE};
use super::medium::Medium;
use super::page::px;

/// Lowest net benefit that is shown, as a share of the highest possible one. Lower values fall steeply, and say no more
/// than that the decision is worse than to treat none.
const LOWEST: f64 = -0.25;

/// Rounding errors of thresholds, in tenths.
const ROUNDING: f64 = 1e-9;

/// Draws the curves of the model, of treating all and of treating none, and a dot at the threshold in use.
pub(super) fn page(figure: &DecisionCurve, medium: Medium) -> Result<Canvas, Failure> {
    let title = format!("Decision curve: {}", figure.positive);
    let y = Axis::covering(
        [LOWEST * figure.prevalence, figure.prevalence].into_iter(),
        5,
    );
    let line = |name: &str, dashed: bool, benefit: &dyn Fn(&NetBenefit) -> f64| Series {
        name: name.to_owned(),
        points: shown(figure, y.low, benefit),
        dashed,
    };
    let mut series = vec![
        line("treat none", true, &|_| 0.0),
        line("model", false, &|point| point.model),
        // Above the line of the model, because both are the same where the model treats all.
        line("treat all", true, &|point| point.all),
    ];
    let shifted = if figure.is_shifted { ", shifted" } else { "" };
    let operating = figure.operating_point();
    let operating = operating.filter(|(_, benefit)| *benefit >= y.low);
    let x_label = match figure.threshold {
        // The reader would look for the dot in vain. The text must be short to fit below the axis.
        Some(threshold) if operating.is_none() => format!(
            "threshold (prevalence {:.3}; in use: {threshold:.3})",
            figure.prevalence
        ),
        Some(_) | None => format!(
            "threshold probability (prevalence {:.3})",
            figure.prevalence
        ),
    };
    if let Some((threshold, benefit)) = operating {
        series.push(Series {
            name: format!("threshold {threshold:.3}{shifted}"),
            points: vec![(threshold, benefit)],
            dashed: false,
        });
    }
    Chart {
        medium,
        title: &title,
        x_label: &x_label,
        y_label: "net benefit per image",
        x: thresholds(figure),
        y: y.clone(),
        size: medium.pick((px(1280), px(960)), (px(840), px(760))),
        colors: &[GRAY, PALETTE[0], PALETTE[2], PALETTE[1]],
        marked: false,
        below: 0,
    }
    .draw(&series)
}

/// Returns the axis of thresholds: up to the one from which the model treats nobody, in steps of 0.1. With a low
/// prevalence, all curves would otherwise be in a corner.
fn thresholds(figure: &DecisionCurve) -> Axis {
    let treats = figure.points.iter().filter(|point| point.model != 0.0);
    let last = treats.map(|point| point.threshold).chain(figure.threshold);
    let last = (last.fold(0.0, f64::max) * 10.0 - ROUNDING).ceil() / 10.0;
    match last < 1.0 {
        true => Axis::tight([0.0, last.max(0.1)].into_iter(), 5),
        false => Axis::unit(),
    }
}

/// Returns the points of a curve down to `low`, where it leaves the frame. A gap separates parts of it.
fn shown(
    figure: &DecisionCurve,
    low: f64,
    benefit: &dyn Fn(&NetBenefit) -> f64,
) -> Vec<(f64, f64)> {
    let last = thresholds(figure).high;
    let all: Vec<(f64, f64)> = figure
        .points
        .iter()
        .filter(|point| point.threshold <= last + ROUNDING)
        .map(|point| (point.threshold, benefit(point)))
        .collect();
    let mut points = Vec::with_capacity(all.len());
    for (place, &(x, y)) in all.iter().enumerate() {
        let before = place.checked_sub(1).map(|before| all[before]);
        if let Some((x_before, y_before)) = before
            && (y_before < low) != (y < low)
        {
            let share = (low - y_before) / (y - y_before);
            points.push((x_before + share * (x - x_before), low));
        }
        points.push(if y < low { (x, f64::NAN) } else { (x, y) });
    }
    points
}

#[cfg(test)]
mod tests {
    use contract::analysis::{DecisionCurve, NetBenefit};

    use super::{shown, thresholds};

    /// A curve of a model that treats nobody from a threshold on.
    fn curve(until: f64, threshold: Option<f64>) -> DecisionCurve {
        DecisionCurve {
            positive: "ill".to_owned(),
            prevalence: 0.05,
            is_shifted: true,
            threshold,
            points: (1..100)
                .map(|step| f64::from(step) / 100.0)
                .map(|threshold| NetBenefit {
                    threshold,
                    model: if threshold < until { 0.02 } else { 0.0 },
                    all: 0.05 - 0.95 * threshold / (1.0 - threshold),
                })
                .collect(),
        }
    }

    #[test]
    fn the_axis_ends_where_the_model_treats_nobody() {
        let ends = |until, threshold| thresholds(&curve(until, threshold)).high;
        for (until, threshold, expected) in [
            (0.18, None, 0.2),
            (0.31, None, 0.3),
            (0.0, None, 0.1),
            (0.18, Some(0.25), 0.3),
            (0.95, None, 1.0),
        ] {
            assert!((ends(until, threshold) - expected).abs() < 1e-12, "{until}");
        }
        let points = shown(&curve(0.18, None), -0.02, &|point| point.model);
        assert_eq!(points.len(), 20);
        // A line that falls out of the frame ends at its edge.
        let points = shown(&curve(0.18, None), -0.02, &|point| point.all);
        let visible: Vec<&(f64, f64)> = points.iter().filter(|point| !point.1.is_nan()).collect();
        assert!(visible.iter().all(|point| point.1 >= -0.02));
        assert_eq!(visible.last().unwrap().1, -0.02);
    }
}
