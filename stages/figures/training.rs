//! Draws a measure of one training over its epochs.

use contract::Failure;
use contract::analysis::Training;

use super::axis::Axis;
use super::canvas::Canvas;
use super::chart::{Chart, DASH, MARKED, STROKE, Series};
use super::color::{Color, GRAY, PALETTE};
use super::medium::Medium;
use super::page::px;

/// Draws a line for each curve; all but the first are dashed. The axes cover all finite points.
pub(super) fn page(figure: &Training, medium: Medium) -> Result<Canvas, Failure> {
    let finite = || {
        let all = figure.curves.iter().flat_map(|curve| &curve.points);
        all.copied().filter(|(x, y)| x.is_finite() && y.is_finite())
    };
    let epochs: Vec<f64> = match figure.epochs {
        Some(epochs) => finite()
            .map(|point| point.0)
            .chain([1.0, epochs as f64])
            .collect(),
        None => finite().map(|point| point.0).collect(),
    };
    let most = figure.curves.iter().map(|curve| curve.points.len()).max();
    let colors: Vec<Color> = legend_colors(figure.curves.len());
    let chart = Chart {
        medium,
        title: &figure.title,
        x_label: "epoch",
        y_label: &figure.measure,
        x: Axis::tight(epochs.iter().copied(), medium.pick(10, 6)),
        y: Axis::covering(finite().map(|point| point.1), 6),
        size: medium.pick((px(1280), px(840)), (px(960), px(680))),
        below: 0,
        colors: &colors,
        marked: most.is_some_and(|most| most <= MARKED),
    };
    let mut series: Vec<Series> = figure
        .curves
        .iter()
        .enumerate()
        .map(|(at, curve)| Series {
            name: curve.name.clone(),
            points: curve.points.clone(),
            dashed: at > 0,
        })
        .collect();
    let best = figure.best.filter(|_| finite().next().is_some());
    // The entry of the legend for the line below. It has points, so that it is shown.
    let entry = best.map(|best| Series {
        name: format!("kept: epoch {best}"),
        points: vec![(0.0, 0.0); 2],
        dashed: true,
    });
    series.extend(entry);
    let (mut canvas, plot) = chart.page(&series)?;
    if let Some(best) = best
        && (chart.x.low..=chart.x.high).contains(&(best as f64))
    {
        let x = chart.x.place(best as f64, plot.left, plot.right);
        canvas.dashes(&[(x, plot.bottom), (x, plot.top)], GRAY, STROKE / 2, DASH)?;
    }
    chart.lines(&mut canvas, &plot, &series[..figure.curves.len()])?;
    Ok(canvas)
}

/// Returns a color for each curve, and gray for the epoch that is kept.
fn legend_colors(curves: usize) -> Vec<Color> {
    let palette = PALETTE.iter().cycle().take(curves);
    palette.copied().chain([GRAY]).collect()
}
