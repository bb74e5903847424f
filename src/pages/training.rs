//! [`TrainingView`]: the curves of a training.

use contract::analysis::{Figure, History};

use crate::figure::FigureView;
use crate::reader::Reader;
use crate::stage::StageView;

/// A training, with a figure for each measure.
#[derive(Clone, Debug)]
pub struct TrainingView {
    /// Position of its stage in the run.
    pub stage: usize,
    pub figures: Vec<FigureView>,
}

/// Reads the training of a stage; `None` if it recorded no history.
pub(crate) fn training(reader: Reader<'_>, at: usize, stage: &StageView) -> Option<TrainingView> {
    if !reader.shows(&stage.name) {
        return None;
    }
    let history = history(reader, stage)?;
    let epochs = stage.params.iter().find(|param| param.name == "epochs");
    let epochs = epochs.and_then(|param| param.value.parse().ok());
    let metrics = stage.metrics.iter().flat_map(|(_, metrics)| metrics);
    let best = metrics.clone().find(|metric| metric.name == "best_epoch");
    let best = best
        .and_then(|metric| metric.value)
        .map(|epoch| epoch as u64);
    let figures = reader.analysis.training_figures(&history, best, epochs);
    let figures = figures.iter().filter_map(|figure| {
        let id = format!("{}-{}", stage.id, figure.measure.replace(' ', "-"));
        let measure = figure.measure.replace('_', " ");
        let caption = format!("{measure} by epoch");
        FigureView::new(reader, id, caption, &Figure::Training(figure))
    });
    let figures: Vec<FigureView> = figures.collect();
    (!figures.is_empty()).then_some(TrainingView { stage: at, figures })
}

fn history(reader: Reader<'_>, stage: &StageView) -> Option<History> {
    for output in &stage.outputs {
        let has = |name: &str| output.files.iter().any(|(known, _)| known == name);
        let names = reader.analysis.history_files().iter();
        let Some(name) = names.copied().find(|name| has(name)) else {
            continue;
        };
        let content = reader.file(&output.digest, name)?;
        let history = reader.analysis.read_history(name, &content);
        let history = history.inspect_err(|e| tracing::warn!("{}: `{name}`: {e}", stage.name));
        return history.ok().filter(|history| history.epochs.len() > 1);
    }
    None
}
