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

/// Draws the curves of the model, of treating all and of treating none, and a dot at the threshold in use.
pub(super) fn page(figure: &DecisionCurve, medium: Medium) -> Result<Canvas, Failure> {
    let title = format!("Decision curve: {}", figure.positive);
    let x_label = format!(
        "threshold probability (prevalence {:.3})",
        figure.prevalence
    );
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
    if let Some((threshold, benefit)) = figure.operating_point()
        && benefit >= y.low
    {
        series.push(Series {
            name: format!("threshold {threshold:.3}"),
            points: vec![(threshold, benefit)],
            dashed: false,
        });
    }
    Chart {
        medium,
        title: &title,
        x_label: &x_label,
        y_label: "net benefit per image",
        x: Axis::unit(),
        y: y.clone(),
        size: medium.pick((px(1280), px(960)), (px(840), px(760))),
        colors: &[GRAY, PALETTE[0], PALETTE[2], PALETTE[1]],
        marked: false,
        below: 0,
    }
    .draw(&series)
}

/// Returns the points of a curve down to `low`, where it leaves the frame. A gap separates parts of it.
fn shown(
    figure: &DecisionCurve,
    low: f64,
    benefit: &dyn Fn(&NetBenefit) -> f64,
) -> Vec<(f64, f64)> {
    let all: Vec<(f64, f64)> = figure
        .points
        .iter()
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
