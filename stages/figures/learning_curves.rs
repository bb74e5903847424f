//! Draws learning curves of trials: a line for each trial, epoch by epoch.

use contract::Failure;
use contract::analysis::{Curve, LearningCurves};

use super::axis::{Axis, range_without_outliers};
use super::canvas::Canvas;
use super::chart::{Chart, DASH, DOT, Plot, STROKE, Series};
use super::color::{Color, GRAY, LIGHT_GRAY, PALETTE, WHITE};
use super::medium::Medium;
use super::page::px;

const FINISHED: Color = PALETTE[0];
const BEST: Color = PALETTE[1];

/// Draws the picture. Points far outside the others are drawn at the edge; [`note`] counts the curves with such points.
pub(super) fn page(figure: &LearningCurves<'_>, medium: Medium) -> Result<Canvas, Failure> {
    let epochs = || figure.curves.iter().flat_map(points).map(|point| point.0);
    let chart = Chart {
        medium,
        title: figure.title,
        x_label: "epoch",
        y_label: figure.metric,
        x: Axis::tight(epochs(), medium.pick(10, 6)),
        y: vertical(figure),
        size: medium.pick((px(1280), px(900)), (px(960), px(760))),
        below: 0,
        colors: &[BEST, FINISHED, GRAY, GRAY],
        marked: false,
    };
    let (mut canvas, plot) = chart.page(&legend(figure))?;
    for &epoch in figure.rungs {
        let epoch = epoch as f64;
        if (chart.x.low..=chart.x.high).contains(&epoch) {
            let x = chart.x.place(epoch, plot.left, plot.right);
            canvas.dashes(&[(x, plot.bottom), (x, plot.top)], LIGHT_GRAY, STROKE, DASH)?;
        }
    }
    let best = figure.best.map(|(at, _)| at);
    let others = || {
        let all = figure.curves.iter().enumerate();
        all.filter(move |(at, _)| Some(*at) != best)
            .map(|(_, curve)| curve)
    };
    // The curves of stopped trials are drawn first, so that the others cover them.
    for curve in others().filter(|curve| curve.stopped) {
        draw(figure, &mut canvas, &chart, &plot, curve)?;
    }
    for curve in others().filter(|curve| !curve.stopped) {
        draw(figure, &mut canvas, &chart, &plot, curve)?;
    }
    if let Some(curve) = best.and_then(|at| figure.curves.get(at)) {
        for (color, width) in [(WHITE, px(12)), (BEST, px(7))] {
            for run in runs(curve) {
                let pixels: Vec<_> = run
                    .iter()
                    .map(|&p| chart.pixel(&plot, clamped(&chart, p)))
                    .collect();
                if color == BEST {
                    tag(&mut canvas, curve, "trial best");
                }
                canvas.bold_path(&pixels, color, width)?;
            }
        }
    }
    Ok(canvas)
}

/// Returns how many curves leave the frame, as a sentence; `None` if all are inside.
pub(super) fn note(figure: &LearningCurves<'_>) -> Option<String> {
    let axis = vertical(figure);
    let is_outside = |value: f64| !(axis.low..=axis.high).contains(&value);
    let leaves = |curve: &&Curve| points(curve).any(|(_, value)| is_outside(value));
    let (all, count) = (
        figure.curves.len(),
        figure.curves.iter().filter(leaves).count(),
    );
    match count {
        0 => None,
        1 => Some(format!(
            "1 of {all} curves leaves the frame and is drawn at its edge there."
        )),
        _ => Some(format!(
            "{count} of {all} curves leave the frame and are drawn at its edge there."
        )),
    }
}

/// Returns the axis of values. It covers all but values far outside the others.
fn vertical(figure: &LearningCurves<'_>) -> Axis {
    let values = || figure.curves.iter().flat_map(points).map(|point| point.1);
    let (low, high) = range_without_outliers(values());
    Axis::covering(values().map(|value| value.clamp(low, high)), 6)
}

/// Returns the points of a curve that are not gaps.
fn points(curve: &Curve) -> impl Iterator<Item = (f64, f64)> + Clone {
    let all = curve.points.iter().copied();
    all.filter(|(x, y)| x.is_finite() && y.is_finite())
}

/// Names the trial of the next path.
fn tag(canvas: &mut Canvas, curve: &Curve, class: &str) {
    canvas.tag(&[("class", class), ("data-trial", &curve.trial.to_string())]);
}

fn draw(
    figure: &LearningCurves<'_>,
    canvas: &mut Canvas,
    chart: &Chart<'_>,
    plot: &Plot,
    curve: &Curve,
) -> Result<(), Failure> {
    let many = (6.0 / (figure.curves.len().max(1) as f64).sqrt()).clamp(0.25, 1.0);
    let (color, opacity) = if curve.stopped {
        (GRAY, 0.6 * many)
    } else {
        (FINISHED, 0.9 * many)
    };
    let width = if figure.curves.len() > 100 {
        px(2)
    } else {
        px(3)
    };
    let mut end = None;
    for run in runs(curve) {
        let pixels: Vec<_> = run
            .iter()
            .map(|&p| chart.pixel(plot, clamped(chart, p)))
            .collect();
        if pixels.len() > 1 {
            tag(canvas, curve, "trial");
            canvas.faint_path(&pixels, (color, opacity), width)?;
        }
        if let [alone] = pixels.as_slice() {
            canvas.dot(*alone, width, color)?;
        }
        end = pixels.last().copied();
    }
    // Many dots at one rung look like a bar, unless they are small and light.
    let (radius, color) = if figure.curves.len() > 100 {
        (px(3), Color::Faint)
    } else {
        (DOT - px(2), color)
    };
    match end {
        Some(end) if curve.stopped => canvas.dot(end, radius, color),
        _ => Ok(()),
    }
}

/// Returns the legend's lines, in the order of the colors. Lines that are not shown have no points.
fn legend(figure: &LearningCurves<'_>) -> Vec<Series> {
    let best = figure.best.map(|(at, _)| at);
    let count = |stopped: bool| {
        let all = figure.curves.iter().enumerate();
        all.filter(|(at, curve)| Some(*at) != best && curve.stopped == stopped)
            .count()
    };
    let entry = |name: String, shown: bool, dashed: bool| Series {
        name,
        points: if shown {
            vec![(0.0, 0.0); 2]
        } else {
            Vec::new()
        },
        dashed,
    };
    let name = figure.best.map(|(_, name)| name).unwrap_or_default();
    let [finished, stopped] = [count(false), count(true)];
    let rungs: Vec<String> = figure.rungs.iter().map(u64::to_string).collect();
    vec![
        entry(format!("best: {name}"), best.is_some(), false),
        entry(format!("finished: {finished}"), finished > 0, false),
        entry(format!("stopped early: {stopped}"), stopped > 0, false),
        entry(
            format!("compared at {}", rungs.join(", ")),
            !rungs.is_empty(),
            true,
        ),
    ]
}

/// Returns the parts of a curve between its gaps.
fn runs(curve: &Curve) -> impl Iterator<Item = &[(f64, f64)]> {
    let runs = curve
        .points
        .split(|(x, y)| !x.is_finite() || !y.is_finite());
    runs.filter(|run| !run.is_empty())
}

/// Returns the point, moved to the upper or lower edge of the chart if it is outside.
fn clamped(chart: &Chart<'_>, (x, y): (f64, f64)) -> (f64, f64) {
    (x, y.clamp(chart.y.low, chart.y.high))
}
