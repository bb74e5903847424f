//! Draws observed frequencies against predicted probabilities.

use contract::Failure;
use contract::analysis::Reliability;

use super::canvas::Canvas;
use super::chart::Series;
use super::color::PALETTE;
use super::medium::Medium;
use super::page::{px, shortened};
use super::roc::{named, unit_chart};

const CAP: i32 = px(8);

/// Name of the Brier score: `Brier`, or `Brier of DOG` if it is that of one class of several.
fn brier_name(figure: &Reliability) -> String {
    match figure.has_many_classes {
        true => format!("Brier of {}", shortened(&figure.class)),
        false => "Brier".to_owned(),
    }
}

/// Draws a point with its interval for each bin, and the diagonal of perfect calibration.
pub(super) fn page(figure: &Reliability, medium: Medium) -> Result<Canvas, Failure> {
    let title = format!("Calibration: {}", figure.class);
    let diagonal = Series {
        name: "calibrated".to_owned(),
        points: vec![(0.0, 0.0), (1.0, 1.0)],
        dashed: true,
    };
    let bins = Series {
        name: named(&brier_name(figure), &figure.brier),
        points: figure
            .bins
            .iter()
            .map(|bin| (bin.predicted, bin.observed))
            .collect(),
        dashed: false,
    };
    let mut chart = unit_chart(medium, &title, ("predicted probability", "observed share"));
    chart.marked = true;
    let series = [diagonal, bins];
    let (mut canvas, plot) = chart.page(&series)?;
    for bin in &figure.bins {
        let [low, high] = bin
            .interval
            .map(|end| chart.pixel(&plot, (bin.predicted, end)));
        canvas.line(low, high, PALETTE[0], px(2))?;
        for (x, y) in [low, high] {
            canvas.line((x - CAP, y), (x + CAP, y), PALETTE[0], px(2))?;
        }
    }
    chart.lines(&mut canvas, &plot, &series)?;
    Ok(canvas)
}
