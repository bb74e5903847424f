//! Analysis of results, which the package `stages` does for the engine.
//!
//! The engine and the command line know what to analyze (rows of a table, trials of a sweep) and show the
//! outcome. They do not know the files of an evaluation, statistics, or how to draw a figure: an implementation
//! of [`Analysis`] provides these. Everything else here is data.

mod calibration;
mod class_report;
mod clinical;
mod contrast;
mod dataset;
mod evaluation;
mod figure;
mod heat_maps;
mod leakage;
mod summary;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use calibration::{Calibrated, CalibrationReport, ExpectedEce, FittedCalibration, WithinBins};
pub use class_report::{ClassLine, ClassReport, ClassScores, UNDEFINED, three_decimals};
pub use clinical::{
    AreaEstimate, AreaMethod, Clinical, DecisionCurve, HomogeneityTest, NetBenefit,
    OperatingMeasure, Subgroup, SubgroupEstimate, Subgroups,
};
pub use contrast::{
    ComparedRow, Contrast, CorrectedContrast, DeLong, Difference, Distribution, EvaluatedRow,
    McNemar, Reference, RowContrasts,
};
pub use dataset::{DatasetView, Sheet};
pub use evaluation::{Evaluation, chosen_by};
pub use figure::{
    Bars, Bin, ConfusionMatrix, Coordinate, Curve, Estimate, EvaluationFigures, Figure, Group,
    History, LearningCurves, Line, OperatingPoint, ParallelCoordinates, PrecisionRecall,
    Reliability, ReliabilityCurve, Roc, Scale, ThemeColor, Training, TrainingCurve,
};
pub use heat_maps::{ExplainedImage, HeatMaps};
pub use leakage::{Comparison, CopiedImage, Leakage, Likeness, SharedGroup, Similarities};
pub use summary::{Decision, FoldSpread, Interval, Summary};

pub use crate::over::Over;

use crate::{Failure, Metric, Metrics};

/// Reads evaluations, compares them, summarizes values and draws figures.
pub trait Analysis: Sync {
    /// Returns the names of the files in an output that make it an evaluation.
    fn evaluation_files(&self) -> &'static [&'static str];

    /// Reads an evaluation from the content of [`Analysis::evaluation_files`], in their order.
    ///
    /// # Errors
    /// If the content is not an evaluation. The error says why.
    fn read_evaluation(&self, files: &[Vec<u8>]) -> Result<Evaluation, String>;

    /// Computes the results of an evaluation for each class.
    fn class_report(&self, evaluation: &Evaluation) -> ClassReport;

    /// Returns the name of the file in an output that holds the tables for readers of medical studies.
    fn clinical_file(&self) -> &'static str;

    /// Reads the content of [`Analysis::clinical_file`].
    ///
    /// # Errors
    /// If the content is not such tables. The error says why.
    fn read_clinical(&self, content: &[u8]) -> Result<Clinical, String>;

    /// Returns `true` if [`Analysis::contrast_rows`] compares rows by this metric.
    fn contrasts_by(&self, metric: &str) -> bool;

    /// Compares rows with a reference row, by their predictions for every image. `None` if rows are not compared
    /// by this metric, if there are fewer than two rows, or if there is no reference row.
    fn contrast_rows(
        &self,
        metric: &str,
        rows: &[EvaluatedRow],
        reference: &Reference,
    ) -> Option<RowContrasts>;

    /// Computes the mean of finite values that differ only in their seed, and its interval over seeds; `None` if
    /// there are no values.
    fn spread(&self, values: &[f64]) -> Option<Summary>;

    /// Summarizes a metric of results that differ only in their seed; `None` if there are no results. Values must be
    /// finite. `evaluations` are those of the results, in the same order, or empty if the results do not come from
    /// evaluations.
    fn summarize(
        &self,
        metric: &str,
        results: &[Metric],
        evaluations: &[Evaluation],
    ) -> Option<Summary>;

    /// Returns the predictions of the folds of a cross-validation as one evaluation, with the images sorted by name.
    ///
    /// # Errors
    /// If classes differ, or if an image was tested in two folds. The error says so in a few words.
    fn pool(&self, folds: &[Evaluation]) -> Result<Evaluation, String>;

    /// Summarizes a metric of the pooled predictions of cross-validations that differ only in their seed. `seeds` has
    /// the evaluations of all folds for each seed. `None` if the metric is not computed from predictions or is
    /// undefined.
    ///
    /// # Errors
    /// If the folds of a seed cannot be pooled.
    fn summarize_folds(
        &self,
        metric: &str,
        seeds: &[Vec<Evaluation>],
    ) -> Result<Option<Summary>, String>;

    /// Writes a figure to a file: as an SVG with fixed colors if its name ends in `.svg`, otherwise as a PNG.
    ///
    /// # Errors
    /// If the file cannot be written.
    fn draw(&self, figure: &Figure<'_>, path: &Path) -> Result<(), Failure>;

    /// Returns a figure as an `<svg>` element that can be put into a page as it is: all text is escaped, and there are
    /// neither scripts nor references to other files. It describes its content in words, for screen readers.
    /// Colors are CSS variables with defaults ([`Analysis::theme_colors`]).
    ///
    /// It is as wide as its container and has the classes `figure` and, for example, `figure-roc`. If its text becomes
    /// too small in a narrow container, it also has the class `wide`. A line of a trial has the class `trial` and the
    /// number `data-trial`. With parallel coordinates, it also has its values as a JSON list, `data-values`. There,
    /// each axis is a group with the class `axis`, with its name (`data-axis`), its place in the coordinates of the SVG
    /// (`data-x`, `data-top`, `data-bottom`, and `data-absent` for lines without a value), its `data-scale` (`linear`,
    /// `log` or `choice`) and the values at its ends (`data-low`, `data-high`).
    ///
    /// All ids begin with `prefix`, which must differ between the figures of a page. Characters other than ASCII
    /// letters, digits, `-` and `_` in it become `_`.
    ///
    /// # Errors
    /// If the built-in font cannot be read.
    fn svg(&self, figure: &Figure<'_>, prefix: &str) -> Result<String, Failure>;

    /// Returns what a figure does not show, as a sentence for its caption: `2 of 12 curves leave the frame and are
    /// drawn at its edge there.` `None` if it shows everything, or says so itself.
    fn note(&self, figure: &Figure<'_>) -> Option<String>;

    /// Returns the colors of [`Analysis::svg`]. A page with a dark theme sets all variables to the dark colors.
    fn theme_colors(&self) -> Vec<ThemeColor>;

    /// Computes the figures of an evaluation. `metrics` are those that were measured with it; their intervals are
    /// shown. Values that are not among them are computed. For the curves of another class, change
    /// [`Evaluation::positive`] and pass no metrics.
    fn evaluation_figures(&self, evaluation: &Evaluation, metrics: &Metrics) -> EvaluationFigures;

    /// Returns the names of the files in an output that hold the history of a training. Read the first that exists.
    fn history_files(&self) -> &'static [&'static str];

    /// Reads the content of the file `name`, one of [`Analysis::history_files`].
    ///
    /// # Errors
    /// If the content is not a history. The error says why.
    fn read_history(&self, name: &str, content: &[u8]) -> Result<History, String>;

    /// Returns a figure for each measure of a training, with training and validation in the same figure. `best` is
    /// the epoch whose weights are kept, and `epochs` is the number of epochs that the training has at most.
    fn training_figures(
        &self,
        history: &History,
        best: Option<u64>,
        epochs: Option<u64>,
    ) -> Vec<Training>;

    /// Opens a dataset. `files` are those of its artifact: paths by name. Files may be damaged.
    ///
    /// # Errors
    /// If the files are not a dataset, or cannot be read. The error says why.
    fn open_dataset(
        &self,
        files: &BTreeMap<String, PathBuf>,
    ) -> Result<Box<dyn DatasetView>, String>;

    /// Returns the name of the file in an output that lists heat maps. Their pictures are in the same output.
    fn heat_maps_file(&self) -> &'static str;

    /// Reads the content of [`Analysis::heat_maps_file`].
    ///
    /// # Errors
    /// If the content is not a list of heat maps. The error says why.
    fn read_heat_maps(&self, content: &[u8]) -> Result<HeatMaps, String>;

    /// Returns the name of the file of an evaluation that holds its [`CalibrationReport`]. Evaluations of earlier versions
    /// have none.
    fn calibration_file(&self) -> &'static str;

    /// Reads the content of [`Analysis::calibration_file`].
    ///
    /// # Errors
    /// If the content is not such a report. The error says why.
    fn read_calibration(&self, content: &[u8]) -> Result<CalibrationReport, String>;

    /// Returns the name of the file in an output that holds the results of a check for leakage.
    fn leakage_file(&self) -> &'static str;

    /// Reads the content of [`Analysis::leakage_file`].
    ///
    /// # Errors
    /// If the content is not the result of such a check. The error says why.
    fn read_leakage(&self, content: &[u8]) -> Result<Leakage, String>;
}
