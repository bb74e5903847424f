//! [`RESULTS`]: the analysis of results that the engine gets from this crate.

use std::path::Path;

use contract::analysis::{
    Analysis, ClassReport, EvaluatedRow, Evaluation, Figure, Reference, RowContrasts, Summary,
};
use contract::{Failure, Metric};

use crate::metrics::NamedMeasure;
use crate::{evaluate, figures, metrics};

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
}
