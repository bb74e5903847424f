//! Draws the receiver operating characteristic (ROC) of a classifier.

use std::path::Path;

use contract::analysis::Over;
use contract::{Failure, Metric};

use super::axis::Axis;
use super::canvas::{GRAY, PALETTE, px};
use super::chart::{Chart, Series};

/// Writes a ROC curve as a PNG, with its area in the legend and the diagonal of pure chance.
///
/// `over` is what the interval of the area covers. `curve` goes from (0, 0) to (1, 1): false positive rate and true positive rate. `operating` is the
/// point at the threshold in use, with its name.
pub fn roc(
    path: &Path,
    title: &str,
    curve: Vec<(f64, f64)>,
    (auc, over): (&Metric, Over),
    operating: Option<(String, (f64, f64))>,
) -> Result<(), Failure> {
    let name = match auc.interval {
        Some([low, high]) => format!("AUC {:.3} [{low:.3}, {high:.3}]", auc.value),
        None => format!("AUC {:.3}", auc.value),
    };
    // A class name of any length is in the title, so the note on the interval is here.
    let note = auc.interval.map(|_| format!("; 95 % interval over {over}"));
    let x_label = "false positive rate (1 - specificity)".to_owned() + &note.unwrap_or_default();
    let diagonal = Series {
        name: "chance".to_owned(),
        points: vec![(0.0, 0.0), (1.0, 1.0)],
        dashed: true,
    };
    let mut series = vec![
        diagonal,
        Series {
            name,
            points: curve,
            dashed: false,
        },
    ];
    series.extend(operating.map(|(name, point)| Series {
        name,
        points: vec![point],
        dashed: false,
    }));
    Chart {
        title,
        x_label: &x_label,
        y_label: "true positive rate (recall)",
        x: Axis::unit(),
        y: Axis::unit(),
        size: (px(1080), px(1124)),
        colors: &[GRAY, PALETTE[0], PALETTE[1]],
        marked: false,
    }
    .draw(&series)?
    .save(path)
}
