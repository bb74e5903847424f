//! [`EvaluationView`]: how good a model is, and what it gets wrong.

mod calibration;
mod clinical;
mod confusion;
mod curves;
mod heat_maps;
mod mistakes;

use contract::analysis::{ClassReport, Evaluation, chosen_by, three_decimals};
use contract::{Metrics, class_of};
use engine::run::metrics;
use store::keys::Digest;

use crate::figure::FigureView;
use crate::metric::{MetricView, number};
use crate::picture::Datasets;
use crate::reader::Reader;
use crate::stage::StageView;

pub(crate) use calibration::CalibrationView;
pub use clinical::{ClinicalView, SubgroupsView};
pub use confusion::{ClassName, ConfusionCell, ConfusionView};
pub use heat_maps::{HeatMapView, HeatMapsView};
pub use mistakes::MistakeView;

/// Digits of the checksum of the tested images that are shown.
const CHECKSUM: usize = 12;
/// Length of the name of a class that is long, with the mark of the positive class, in characters.
const LONG_NAME: usize = 22;
/// Metrics that say the most, for the overview.
pub(crate) const HEADLINE: [&str; 4] = ["f1", "accuracy", "roc_auc", "brier"];

/// An evaluation of a model on a set of images.
#[derive(Clone, Debug)]
pub struct EvaluationView {
    /// Position of its stage in the run.
    pub stage: usize,
    /// The stages that made the model and the images.
    pub model: Option<usize>,
    pub images: Option<usize>,
    /// `xrays.test`
    pub dataset: String,
    pub image_count: usize,
    /// The beginning of the checksum of the images; `None` if it was not recorded.
    pub checksum: Option<String>,
    pub metrics: Vec<MetricView>,
    /// Rule by which classes were decided: `positive class: PNEUMONIA, from a probability of 0.5`.
    pub rule: String,
    /// Headers and rows of the report for each class.
    pub class_header: [&'static str; 8],
    pub class_rows: Vec<[String; 8]>,
    /// `None` for results of earlier versions.
    pub clinical: Option<ClinicalView>,
    pub confusion: Option<ConfusionView>,
    /// `None` if the evaluation has no report on calibration, as those of earlier versions.
    pub calibration: Option<CalibrationView>,
    pub figures: Vec<FigureView>,
    pub mistakes: Vec<MistakeView>,
    pub mistake_count: usize,
    pub heat_maps: Option<HeatMapsView>,
}

impl EvaluationView {
    /// A metric by its name.
    pub fn metric(&self, name: &str) -> Option<&MetricView> {
        self.metrics.iter().find(|metric| metric.name == name)
    }

    /// The metrics that say the most.
    pub fn headline(&self) -> Vec<&MetricView> {
        HEADLINE
            .iter()
            .filter_map(|name| self.metric(name))
            .collect()
    }

    /// `true` if names of classes would take several short lines.
    pub fn has_long_names(&self) -> bool {
        let mut names = self.class_rows.iter().map(|row| row[0].chars().count());
        names.any(|length| length > LONG_NAME)
    }

    /// The heat map of a misclassified image.
    pub fn heat_map(&self, mistake: &MistakeView) -> Option<&HeatMapView> {
        let images = self.heat_maps.iter().flat_map(|maps| &maps.images);
        images.into_iter().find(|map| map.name == mistake.name)
    }

    /// `36 of 400 images wrong`.
    pub fn errors(&self) -> String {
        format!(
            "{} of {} images wrong",
            self.mistake_count, self.image_count
        )
    }

    /// `24 of 36 misclassified images, the most confident mistakes first`.
    pub fn mistakes_title(&self) -> String {
        match (self.mistakes.len(), self.mistake_count) {
            (shown, all) if shown < all => {
                format!("{shown} of {all} misclassified images, the most confident mistakes first")
            }
            (1, _) => "1 misclassified image".to_owned(),
            (all, _) => format!("{all} misclassified images, the most confident mistakes first"),
        }
    }
}

/// Reads the evaluation of a stage; `None` if it made none.
pub(crate) fn evaluation(
    reader: Reader<'_>,
    datasets: &Datasets<'_>,
    stages: &[StageView],
    at: usize,
) -> Option<EvaluationView> {
    let stage = &stages[at];
    if !reader.shows(&stage.name) {
        return None;
    }
    let (evaluation, measured, clinical) = stage.outputs.iter().find_map(|output| {
        let (evaluation, measured) = read(reader, &output.digest)?;
        Some((evaluation, measured, clinical::read(reader, &output.digest)))
    })?;
    let input = |role: &str| stage.inputs.iter().find(|input| input.role == role);
    let images = input("images");
    let dataset = images.and_then(|input| {
        let maker = &stages[input.maker?];
        Some(maker.output(&input.port)?.digest)
    });
    let report = reader.analysis.class_report(&evaluation);
    let figures = reader.analysis.evaluation_figures(&evaluation, &measured);
    let calibration = calibration::calibration(reader, stage);
    let mut curves = curves::drawn(reader, stage, &figures, calibration.is_none());
    curves.extend(
        clinical
            .as_ref()
            .and_then(|clinical| clinical::curve(reader, stage, clinical)),
    );
    let (mistakes, mistake_count) = mistakes::mistakes(&evaluation, datasets, dataset);
    Some(EvaluationView {
        stage: at,
        model: stage.maker("model").or_else(|| stage.maker("predictions")),
        images: stage.maker("images"),
        dataset: images.map_or_else(String::new, |input| input.artifact.clone()),
        image_count: evaluation.labels.len(),
        checksum: evaluation
            .pixels
            .as_ref()
            .map(|checksum| checksum.chars().take(CHECKSUM).collect()),
        // The report for each class has the metrics of single classes and their averages.
        metrics: measured
            .iter()
            .filter(|(name, _)| !is_in_class_report(name))
            .map(|(name, metric)| MetricView::fraction(name, metric))
            .collect(),
        rule: rule(&evaluation),
        class_header: ClassReport::HEADER,
        class_rows: report.rows(three_decimals, " (positive)"),
        confusion: figures.confusion.as_ref().map(ConfusionView::new),
        clinical: clinical.as_ref().map(ClinicalView::new),
        figures: curves,
        calibration,
        mistakes,
        mistake_count,
        heat_maps: heat_maps::heat_maps(reader, stage),
    })
}

/// Reads an evaluation and its metrics from an output; `None` if it holds none.
fn read(reader: Reader<'_>, output: &Digest) -> Option<(Evaluation, Metrics)> {
    let names = reader.analysis.evaluation_files();
    let tree = reader.tree(output)?;
    if !names.iter().all(|name| tree.files.contains_key(*name)) {
        return None;
    }
    let files = reader.store.read_files(output, names);
    let files = files.inspect_err(|e| tracing::warn!("{e}")).ok()??;
    let evaluation = reader.analysis.read_evaluation(&files);
    let evaluation = evaluation.inspect_err(|e| tracing::warn!("{output}: {e}"));
    let measured = metrics::read(reader.store, output);
    let measured = measured.inspect_err(|e| tracing::warn!("{e}"));
    Some((
        evaluation.ok()?,
        measured.ok().flatten().unwrap_or_default(),
    ))
}

/// Returns whether a metric is that of one class, or an average over the classes.
fn is_in_class_report(metric: &str) -> bool {
    let is_average = metric.starts_with("macro_") || metric.starts_with("weighted_");
    is_average || metric == "support" || class_of(metric).is_some()
}

fn rule(evaluation: &Evaluation) -> String {
    let class = |at: u32| evaluation.classes.get(at as usize);
    let positive = class(evaluation.positive);
    let positive = positive.map_or_else(String::new, |name| format!("positive class: {name}"));
    let chosen = |other| chosen_by(evaluation.threshold_rule.as_deref(), other);
    match evaluation.threshold {
        Some((of, threshold)) if of == evaluation.positive => {
            format!(
                "{positive}, from a probability of {}{}",
                number(threshold),
                chosen(None)
            )
        }
        Some((of, threshold)) => {
            let name = class(of).map_or("?", String::as_str);
            format!(
                "{positive}, below a probability of {} of {name}{}",
                number(threshold),
                chosen(Some(name))
            )
        }
        None => positive,
    }
}
