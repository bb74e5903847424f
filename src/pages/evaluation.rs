//! [`EvaluationView`]: how good a model is, and what it gets wrong.

use contract::analysis::{
    ClassReport, ConfusionMatrix, Evaluation, EvaluationFigures, Figure, three_decimals,
};
use contract::{Metrics, class_of};
use engine::run::metrics;
use store::keys::Digest;

use crate::figure::FigureView;
use crate::metric::{MetricView, number};
use crate::picture::{Datasets, Picture};
use crate::reader::Reader;
use crate::stage::StageView;

/// Most misclassified images that are shown.
const MISTAKES: usize = 24;
/// Largest side of a misclassified image, in pixels.
const SIDE: u32 = 96;
/// Metrics that say the most, for the overview.
const HEADLINE: [&str; 4] = ["f1", "accuracy", "roc_auc", "brier"];

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
    pub metrics: Vec<MetricView>,
    /// Rule by which classes were decided: `positive class: PNEUMONIA, from a probability of 0.5`.
    pub rule: String,
    /// Headers and rows of the report for each class.
    pub class_header: [&'static str; 8],
    pub class_rows: Vec<[String; 8]>,
    pub confusion: Option<ConfusionView>,
    pub figures: Vec<FigureView>,
    pub mistakes: Vec<MistakeView>,
    pub mistake_count: usize,
}

/// Counts of images by actual and predicted class.
#[derive(Clone, Debug)]
pub struct ConfusionView {
    pub classes: Vec<String>,
    pub rows: Vec<Vec<ConfusionCell>>,
}

#[derive(Clone, Debug)]
pub struct ConfusionCell {
    pub count: u64,
    /// Share of the row, in percent.
    pub percent: String,
    /// Darkness of the cell, from 0 to 9.
    pub shade: u64,
    pub is_correct: bool,
}

/// An image that the model got wrong.
#[derive(Clone, Debug)]
pub struct MistakeView {
    pub name: String,
    pub label: String,
    pub predicted: String,
    /// Probability of the predicted class.
    pub probability: String,
    pub picture: Option<Picture>,
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
    let (evaluation, measured) = stage
        .outputs
        .iter()
        .find_map(|output| read(reader, &output.digest))?;
    let input = |role: &str| stage.inputs.iter().find(|input| input.role == role);
    let images = input("images");
    let dataset = images.and_then(|input| {
        let maker = &stages[input.maker?];
        Some(maker.output(&input.port)?.digest)
    });
    let report = reader.analysis.class_report(&evaluation);
    let figures = reader.analysis.evaluation_figures(&evaluation, &measured);
    let (mistakes, mistake_count) = mistakes(&evaluation, datasets, dataset);
    Some(EvaluationView {
        stage: at,
        model: stage.maker("model"),
        images: stage.maker("images"),
        dataset: images.map_or_else(String::new, |input| input.artifact.clone()),
        image_count: evaluation.labels.len(),
        // The report for each class has the metrics of single classes and their averages.
        metrics: measured
            .iter()
            .filter(|(name, _)| !is_in_class_report(name))
            .map(|(name, metric)| MetricView::new(name, metric))
            .collect(),
        rule: rule(&evaluation),
        class_header: ClassReport::HEADER,
        class_rows: report.rows(three_decimals, " (positive)"),
        confusion: figures.confusion.as_ref().map(confusion),
        figures: drawn(reader, stage, &figures),
        mistakes,
        mistake_count,
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

/// Whether a metric is that of one class, or an average over the classes.
fn is_in_class_report(metric: &str) -> bool {
    let is_average = metric.starts_with("macro_") || metric.starts_with("weighted_");
    is_average || metric == "support" || class_of(metric).is_some()
}

fn rule(evaluation: &Evaluation) -> String {
    let class = |at: u32| evaluation.classes.get(at as usize);
    let positive = class(evaluation.positive);
    let positive = positive.map_or_else(String::new, |name| format!("positive class: {name}"));
    match evaluation.threshold {
        Some((of, threshold)) if of == evaluation.positive => {
            format!("{positive}, from a probability of {}", number(threshold))
        }
        Some((of, threshold)) => {
            let name = class(of).map_or("?", String::as_str);
            format!(
                "{positive}; {name} from a probability of {}",
                number(threshold)
            )
        }
        None => positive,
    }
}

fn confusion(matrix: &ConfusionMatrix) -> ConfusionView {
    let row = |(actual, row): (usize, &Vec<u64>)| {
        let all: u64 = row.iter().sum();
        let cells = row
            .iter()
            .enumerate()
            .map(|(predicted, &count)| ConfusionCell {
                count,
                percent: match all {
                    0 => "–".to_owned(),
                    all => format!("{:.0} %", 100.0 * count as f64 / all as f64),
                },
                shade: (9 * count).checked_div(all).unwrap_or(0),
                is_correct: actual == predicted,
            });
        cells.collect()
    };
    ConfusionView {
        classes: matrix.classes.clone(),
        rows: matrix.counts.iter().enumerate().map(row).collect(),
    }
}

fn drawn(reader: Reader<'_>, stage: &StageView, figures: &EvaluationFigures) -> Vec<FigureView> {
    let draw = |what: &str, caption: &str, figure: Figure<'_>| {
        let (id, caption) = (
            format!("{}-{what}", stage.id),
            format!("{}: {caption}", stage.name),
        );
        FigureView::new(reader, id, caption, &figure)
    };
    let roc = figures.roc.as_ref();
    let roc = roc.and_then(|roc| draw("roc", "ROC curve", Figure::Roc(roc)));
    let precision = figures.precision_recall.as_ref();
    let precision = precision.and_then(|curve| {
        let figure = Figure::PrecisionRecall(curve);
        draw("precision-recall", "Precision–recall curve", figure)
    });
    let reliability = figures.reliability.as_ref();
    let reliability = reliability.and_then(|curve| {
        let figure = Figure::Reliability(curve);
        draw("reliability", "Reliability", figure)
    });
    [roc, precision, reliability]
        .into_iter()
        .flatten()
        .collect()
}

/// The most confident mistakes, and the number of all mistakes.
fn mistakes(
    evaluation: &Evaluation,
    datasets: &Datasets<'_>,
    dataset: Option<Digest>,
) -> (Vec<MistakeView>, usize) {
    let classes = evaluation.classes.len();
    let probability = |at: usize| {
        let of = evaluation.predicted[at] as usize;
        let known = evaluation.probabilities.get(at * classes + of).copied();
        known.unwrap_or_default()
    };
    let all = 0..evaluation.labels.len();
    let mut wrong: Vec<usize> = all
        .filter(|&at| evaluation.labels[at] != evaluation.predicted[at])
        .collect();
    wrong.sort_by(|&a, &b| probability(b).total_cmp(&probability(a)).then(a.cmp(&b)));
    let count = wrong.len();
    wrong.truncate(MISTAKES);
    let opened = dataset.and_then(|digest| Some((digest, datasets.open(&digest)?)));
    let name = |class: u32| {
        let name = evaluation.classes.get(class as usize);
        name.cloned().unwrap_or_default()
    };
    let picture = |at: usize| {
        let (digest, dataset) = opened.as_ref()?;
        let known = evaluation.names.get(at)?;
        // An evaluation is in the order of its dataset.
        let is_same = dataset.names().get(at) == Some(known);
        let image = if is_same { at } else { dataset.find(known)? };
        Some(Picture::Image {
            dataset: *digest,
            image,
            side: SIDE,
        })
    };
    let mistakes = wrong.iter().map(|&at| MistakeView {
        name: evaluation.names.get(at).cloned().unwrap_or_default(),
        label: name(evaluation.labels[at]),
        predicted: name(evaluation.predicted[at]),
        probability: format!("{:.3}", probability(at)),
        picture: picture(at),
    });
    (mistakes.collect(), count)
}
