//! [`RESULTS`]: the analysis of results that the engine gets from this crate.

mod curves;
mod history;
mod thinned;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use contract::analysis::{
    Analysis, ClassReport, DatasetView, EvaluatedRow, Evaluation, EvaluationFigures, Figure,
    HeatMaps, History, Leakage, Reference, RowContrasts, Summary, ThemeColor, Training,
};
use contract::{Failure, HISTORY_FILE, Metric, Metrics};

use crate::data::View;
use crate::metrics::NamedMeasure;
use crate::{evaluate, figures, leakage, metrics};

/// Name of the file with the history of a training as a list of objects. Trainings of classifiers also write
/// [`HISTORY_FILE`].
const HISTORY_JSON: &str = "history.json";

/// Analyzes the outputs of `evaluate`.
pub const RESULTS: &dyn Analysis = &Results;

struct Results;

impl Analysis for Results {
    fn evaluation_files(&self) -> &'static [&'static str] {
        &[evaluate::PREDICTIONS_FILE, evaluate::CONFUSION_FILE]
    }

    fn read_evaluation(&self, files: &[Vec<u8>]) -> Result<Evaluation, String> {
        match files {
            [predictions, confusion] => {
                evaluate::read_evaluation(predictions, confusion).map_err(|e| e.to_string())
            }
            _ => Err(format!("{} files instead of 2", files.len())),
        }
    }

    fn class_report(&self, evaluation: &Evaluation) -> ClassReport {
        evaluate::class_report(evaluation)
    }

    fn contrasts_by(&self, metric: &str) -> bool {
        NamedMeasure::new(metric).is_some()
    }

    fn contrast_rows(
        &self,
        metric: &str,
        rows: &[EvaluatedRow],
        reference: &Reference,
    ) -> Option<RowContrasts> {
        evaluate::contrast_rows(NamedMeasure::new(metric)?, rows, reference)
    }

    fn spread(&self, values: &[f64]) -> Option<Summary> {
        metrics::spread(values)
    }

    fn summarize(
        &self,
        metric: &str,
        results: &[Metric],
        evaluations: &[Evaluation],
    ) -> Option<Summary> {
        evaluate::summarize(metric, results, evaluations)
    }

    fn draw(&self, figure: &Figure<'_>, path: &Path) -> Result<(), Failure> {
        figures::draw(figure, path)
    }

    fn svg(&self, figure: &Figure<'_>, prefix: &str) -> Result<String, Failure> {
        figures::svg(figure, prefix)
    }

    fn note(&self, figure: &Figure<'_>) -> Option<String> {
        figures::note(figure)
    }

    fn theme_colors(&self) -> Vec<ThemeColor> {
        figures::theme()
    }

    fn evaluation_figures(&self, evaluation: &Evaluation, metrics: &Metrics) -> EvaluationFigures {
        curves::figures(evaluation, metrics)
    }

    fn history_files(&self) -> &'static [&'static str] {
        &[HISTORY_FILE, HISTORY_JSON]
    }

    fn read_history(&self, name: &str, content: &[u8]) -> Result<History, String> {
        match name {
            HISTORY_FILE => history::read_csv(content),
            HISTORY_JSON => history::read_json(content),
            _ => Err(format!("`{name}` is not the name of a history")),
        }
    }

    fn training_figures(
        &self,
        history: &History,
        best: Option<u64>,
        epochs: Option<u64>,
    ) -> Vec<Training> {
        history::figures(history, best, epochs)
    }

    fn open_dataset(
        &self,
        files: &BTreeMap<String, PathBuf>,
    ) -> Result<Box<dyn DatasetView>, String> {
        let view = View::open(files).map_err(|e| e.to_string())?;
        Ok(Box::new(view))
    }

    fn heat_maps_file(&self) -> &'static str {
        evaluate::HEAT_MAPS_FILE
    }

    fn read_heat_maps(&self, content: &[u8]) -> Result<HeatMaps, String> {
        evaluate::read_heat_maps(content).map_err(|e| e.to_string())
    }

    fn leakage_file(&self) -> &'static str {
        leakage::RECORD_FILE
    }

    fn read_leakage(&self, content: &[u8]) -> Result<Leakage, String> {
        leakage::read(content).map_err(|e| e.to_string())
    }
}
