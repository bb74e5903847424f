//! [`CalibrationView`]: how well the probabilities of an evaluation agree with observed frequencies.

use contract::analysis::{CalibrationReport, Figure, Reliability};

use crate::figure::FigureView;
use crate::reader::Reader;
use crate::stage::StageView;

/// Measures and diagram of the probabilities, before and after calibration.
#[derive(Clone, Debug)]
pub struct CalibrationView {
    /// The class whose probabilities are compared.
    pub class: String,
    /// `temperature 1.420, fitted on 52 validation images`; `None` if the probabilities are those of the network.
    pub fitted: Option<String>,
    /// Headers and rows of the table.
    pub header: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
    /// Note about the intervals: `95 % intervals over test images`; empty without intervals.
    pub over: String,
    pub figure: Option<FigureView>,
}

/// Reads the calibration of an evaluation; `None` if it has none, as those of earlier versions.
pub(super) fn calibration(reader: Reader<'_>, stage: &StageView) -> Option<CalibrationView> {
    let name = reader.analysis.calibration_file();
    let has = |files: &[(String, String)]| files.iter().any(|(known, _)| known == name);
    let output = stage.outputs.iter().find(|output| has(&output.files))?;
    let content = reader.file(&output.digest, name)?;
    let found = reader.analysis.read_calibration(&content);
    let found = found.inspect_err(|error| tracing::warn!("{}: {error}", stage.name));
    let report = found.ok()?;
    let diagram = report.figure();
    let figure = (report.images > 0).then(|| {
        FigureView::new(
            reader,
            format!("{}-reliability", stage.id),
            caption(&diagram),
            &Figure::Reliability(&diagram),
        )
    });
    Some(CalibrationView {
        fitted: report.calibration.as_ref().map(|fitted| fitted.text()),
        header: report.header(),
        rows: report.rows(),
        over: over(&report),
        figure: figure.flatten(),
        class: report.class,
    })
}

/// Says how to read the diagram.
pub(super) fn caption(diagram: &Reliability) -> String {
    let bars = match diagram.has_intervals() {
        true => "vertical bars: 95 % intervals",
        false => {
            "points have no intervals, because images of a group (such as a patient) are not independent"
        }
    };
    format!(
        "On the diagonal, predicted probabilities are as high as the observed shares. Each point is a tenth of the \
         images; {bars}. Below: numbers of images by probability."
    )
}

fn over(report: &CalibrationReport) -> String {
    let over = report.over();
    over.map_or_else(String::new, |over| format!("95 % intervals over {over}"))
}
