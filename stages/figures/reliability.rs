//! Draws observed frequencies against predicted probabilities, with a histogram of the probabilities below.

use contract::Failure;
use contract::analysis::{Reliability, ReliabilityCurve};

use super::canvas::Canvas;
use super::chart::{Chart, PADDING, Plot, Series, TEXT};
use super::color::{Color, GRAY, PALETTE};
use super::medium::Medium;
use super::page::{Align, px};
use super::roc::{named, unit_chart};

/// Half of the width of an interval's ends.
const CAP: i32 = px(8);

/// Height of the histogram.
const BARS: i32 = px(150);

/// Largest number of curves that are drawn: one for each color.
const MOST_CURVES: usize = PALETTE.len();

/// Draws a point for each bin, with its interval if images are independent, and the diagonal of perfect calibration.
pub(super) fn page(figure: &Reliability, medium: Medium) -> Result<Canvas, Failure> {
    let title = format!("Calibration: {}", figure.class);
    let mut series = vec![Series {
        name: "ideal".to_owned(),
        points: vec![(0.0, 0.0), (1.0, 1.0)],
        dashed: true,
    }];
    let curves = &figure.curves[..figure.curves.len().min(MOST_CURVES)];
    series.extend(curves.iter().map(line));
    let mut colors = vec![GRAY];
    colors.extend(PALETTE);
    let x_label = match figure.has_intervals() {
        true => "predicted probability",
        false => "predicted probability (no intervals: images are in groups)",
    };
    let mut chart = unit_chart(medium, &title, (x_label, "observed share"));
    chart.marked = true;
    chart.colors = &colors;
    chart.below = BARS + PADDING / 2;
    let (mut canvas, plot) = chart.page(&series)?;
    // The first curve is drawn last, so that nothing covers it.
    for (curve, &color) in curves.iter().zip(&PALETTE).rev() {
        intervals(&mut canvas, (&chart, &plot), curve, color)?;
    }
    let mut lines = series.iter().zip(&colors).rev();
    lines.try_for_each(|(line, &color)| chart.line(&mut canvas, &plot, line, color))?;
    histogram(&mut canvas, (&chart, &plot), curves)?;
    Ok(canvas)
}

/// Returns the line of a curve: `after: ECE 0.031 [0.020, 0.047]`.
fn line(curve: &ReliabilityCurve) -> Series {
    let ece = named("ECE", &curve.ece);
    let points = curve.bins.iter().map(|bin| (bin.predicted, bin.observed));
    Series {
        name: match curve.name.as_str() {
            "" => ece,
            name => format!("{name}: {ece}"),
        },
        points: points.collect(),
        dashed: false,
    }
}

fn intervals(
    canvas: &mut Canvas,
    (chart, plot): (&Chart<'_>, &Plot),
    curve: &ReliabilityCurve,
    color: Color,
) -> Result<(), Failure> {
    for bin in &curve.bins {
        let Some(ends) = bin.interval else {
            continue;
        };
        let [low, high] = ends.map(|end| chart.pixel(plot, (bin.predicted, end)));
        canvas.line(low, high, color, px(2))?;
        for (x, y) in [low, high] {
            canvas.line((x - CAP, y), (x + CAP, y), color, px(2))?;
        }
    }
    Ok(())
}

/// Draws the numbers of images by probability, below the chart.
fn histogram(
    canvas: &mut Canvas,
    (chart, plot): (&Chart<'_>, &Plot),
    curves: &[ReliabilityCurve],
) -> Result<(), Failure> {
    let counts = curves.iter().flat_map(|curve| curve.histogram.iter());
    let most = counts.copied().max().unwrap_or(0);
    let bottom = chart.size.1 + BARS;
    canvas.line((plot.left, bottom), (plot.right, bottom), GRAY, px(2))?;
    let label = (plot.left - px(12), bottom - BARS + TEXT / 2);
    canvas.text(&most.to_string(), label, Align::Right, TEXT, GRAY)?;
    let middle = (PADDING + TEXT / 2, bottom - BARS / 2);
    canvas.vertical_text("images", middle, TEXT * 4 / 5, GRAY)?;
    for (at, (curve, &color)) in curves.iter().zip(&PALETTE).enumerate() {
        let bars = curve.histogram.len();
        for (bar, &count) in curve
            .histogram
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
        {
            let edge = |part: f64| {
                chart
                    .x
                    .place((bar as f64 + part) / bars as f64, plot.left, plot.right)
            };
            // The bars of all curves stand side by side, with a gap to the next ones.
            let part = |curve: usize| 0.1 + 0.8 * curve as f64 / curves.len() as f64;
            let height = (count as f64 / most as f64 * f64::from(BARS)).round() as i32;
            let top = bottom - height.max(px(2));
            canvas.fill((edge(part(at)), top), (edge(part(at + 1)), bottom), color)?;
        }
    }
    Ok(())
}
