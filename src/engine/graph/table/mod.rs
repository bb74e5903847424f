//! Tables of metrics: a row for every value of an axis, for every seed, or a single row.

mod reader;

use std::collections::BTreeMap;
use std::fmt;

use super::{InstanceName, PortMetric};

pub(super) use self::reader::read;

/// Name of the axis of seeds. An axis of a matrix with this name takes precedence.
pub const SEED_AXIS: &str = "seed";

/// Name of the axis of the folds of a cross-validation. An axis of a matrix with this name takes precedence.
pub const FOLD_AXIS: &str = "fold";

/// A table to print after a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub name: String,
    pub title: Option<String>,
    /// The axes whose values are the rows; empty if there is a single row.
    pub axes: Vec<String>,
    /// In the order of the axes.
    pub rows: Vec<Row>,
    pub columns: Vec<Column>,
}

impl Table {
    /// `true` if the rows differ in their seed or fold. The best of them is the best by chance.
    pub fn has_copies_as_rows(&self) -> bool {
        let mut axes = self.axes.iter();
        axes.any(|axis| axis == SEED_AXIS || axis == FOLD_AXIS)
    }
}

/// A row: the instances with certain values on the axes of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row {
    /// The values on the axes of the table, including the seed.
    pub values: Vec<String>,
    /// The values on axes of matrices.
    pub axes: Vec<(String, String)>,
    /// The seed of the copy of the pipeline; `None` for the mean over all seeds.
    pub seed: Option<String>,
    /// The fold of the copy of the pipeline; `None` for all folds.
    pub fold: Option<String>,
    /// The stage of all cells of the row; `None` for that of each column.
    pub stage: Option<String>,
}

impl Row {
    /// Name of the row, as in the names of instances: `model1,real`. Empty for a single row.
    pub fn label(&self) -> String {
        self.values.join(",")
    }

    /// The stage that the cell of a column shows.
    pub fn stage_of<'a>(&'a self, column: &'a Column) -> &'a str {
        self.stage.as_deref().unwrap_or(&column.metric.stage)
    }

    /// The metric that the cell of a column shows: `evaluate.f1`.
    pub fn metric_of(&self, column: &Column) -> MetricRef {
        MetricRef {
            stage: self.stage_of(column).to_owned(),
            metric: column.metric.metric.clone(),
        }
    }

    /// `true` if the row shows this instance of the stage of a cell in the copy of a seed and a fold.
    pub fn shows(&self, instance: &InstanceName, seed: Option<&str>, fold: Option<&str>) -> bool {
        let has = |(axis, value): &(String, String)| instance.axis(axis) == Some(value);
        let is_meant = |wanted: &Option<String>, found: Option<&str>| match (wanted, found) {
            (Some(wanted), Some(found)) => wanted == found,
            _ => true,
        };
        is_meant(&self.seed, seed) && is_meant(&self.fold, fold) && self.axes.iter().all(has)
    }

    /// The labels that tell the copies of the row from others.
    pub fn copy(&self) -> Vec<(String, String)> {
        let seed = self.seed.iter().map(|seed| (SEED_AXIS, seed));
        let fold = self.fold.iter().map(|fold| (FOLD_AXIS, fold));
        let labels = seed.chain(fold);
        labels
            .map(|(axis, value)| (axis.to_owned(), value.clone()))
            .collect()
    }
}

/// A column: one metric of one stage, with reference values.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub title: String,
    pub metric: MetricRef,
    /// Axes of the stage over which cells show the mean, with `fold` and `seed` if there are several of them; empty if
    /// each cell shows one instance, or the mean over seeds only.
    pub mean: Vec<String>,
    /// `true` if cells show the metrics of the predictions of all folds together where there are predictions, and
    /// otherwise the mean over `mean`.
    pub pools_folds: bool,
    /// Reference values by row.
    pub reference: BTreeMap<String, f64>,
    /// Source of the reference values: `paper`.
    pub reference_label: String,
    /// Largest distance from the reference value that is still as expected.
    pub within: Option<f64>,
}

impl Column {
    /// `true` if there are reference values.
    pub fn has_reference(&self) -> bool {
        !self.reference.is_empty()
    }

    /// Returns the metric on the port that the column shows.
    pub fn port_metric(&self) -> PortMetric {
        PortMetric {
            port: None,
            name: self.metric.metric.clone(),
        }
    }
}

/// A metric of a stage: `evaluate.f1`. Only after the stage has run is it known that the stage measures it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricRef {
    /// Empty for a column whose rows have stages of their own.
    pub stage: String,
    pub metric: String,
}

impl fmt::Display for MetricRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stage.as_str() {
            "" => f.write_str(&self.metric),
            stage => write!(f, "{stage}.{}", self.metric),
        }
    }
}
