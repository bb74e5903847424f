//! Draws the receiver operating characteristic (ROC) of a classifier.

use std::path::Path;

use contract::analysis::{Estimate, Interval, OperatingPoint, Over, Roc};
use contract::{Failure, Metric};

use super::axis::Axis;
use super::canvas::Canvas;
use super::chart::{Chart, Series};
use super::color::{GRAY, PALETTE};
use super::medium::Medium;
use super::page::px;

/// Writes a ROC curve as a PNG, with its area in the legend and the diagonal of pure chance.
///
/// `over` is what the interval of the area covers. `curve` goes from (0, 0) to (1, 1): false positive rate and true
/// positive rate. `operating` is the point at the threshold in use, with its name.
pub fn roc(
    path: &Path,
    title: &str,
    curve: Vec<(f64, f64)>,
    (auc, over): (&Metric, Over),
    operating: Option<(String, (f64, f64))>,
) -> Result<(), Failure> {
    let figure = Roc {
        positive: String::new(),
        points: curve,
        area: Estimate {
            value: auc.value,
            interval: auc.interval.map(|ends| Interval { ends, over }),
        },
        operating: operating.map(|(rule, at)| OperatingPoint { rule, at }),
    };
    titled(title, &figure, Medium::Png)?.save(path)
}

pub(super) fn page(figure: &Roc, medium: Medium) -> Result<Canvas, Failure> {
    let title = format!("ROC curve: {}", figure.positive);
    titled(&title, figure, medium)
}

fn titled(title: &str, figure: &Roc, medium: Medium) -> Result<Canvas, Failure> {
    // A class name of any length is in the title, so the note on the interval is here. An SVG is too narrow; its
    // description has the note.
    let note = figure.area.interval.filter(|_| medium == Medium::Png);
    let note = note.map(|interval| format!("; 95 % interval over {}", interval.over));
    let x_label = "false positive rate (1 - specificity)".to_owned() + &note.unwrap_or_default();
    let diagonal = Series {
        name: "chance".to_owned(),
        points: vec![(0.0, 0.0), (1.0, 1.0)],
        dashed: true,
    };
    let curve = Series {
        name: named("AUC", &figure.area),
        points: figure.points.clone(),
        dashed: false,
    };
    let mut series = vec![diagonal, curve];
    series.extend(figure.operating.as_ref().map(dot));
    let labels = (x_label.as_str(), "true positive rate (recall)");
    unit_chart(medium, title, labels).draw(&series)
}

/// Formats `AUC 0.959 [0.943, 0.972]`.
pub(super) fn named(name: &str, estimate: &Estimate) -> String {
    match estimate.interval {
        _ if !estimate.value.is_finite() => format!("{name} undefined"),
        Some(Interval {
            ends: [low, high], ..
        }) => format!("{name} {:.3} [{low:.3}, {high:.3}]", estimate.value),
        None => format!("{name} {:.3}", estimate.value),
    }
}

pub(super) fn dot(point: &OperatingPoint) -> Series {
    Series {
        name: point.rule.clone(),
        points: vec![point.at],
        dashed: false,
    }
}

/// Returns a chart whose axes go from 0 to 1. The first of its lines is a reference, and the second is the curve.
pub(super) fn unit_chart<'a>(
    medium: Medium,
    title: &'a str,
    (x_label, y_label): (&'a str, &'a str),
) -> Chart<'a> {
    Chart {
        medium,
        title,
        x_label,
        y_label,
        x: Axis::unit(),
        y: Axis::unit(),
        size: medium.pick((px(1080), px(1124)), (px(840), px(920))),
        below: 0,
        colors: &[GRAY, PALETTE[0], PALETTE[1]],
        marked: false,
    }
}
